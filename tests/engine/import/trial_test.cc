// Every real sample of the three formats, file by file: read = stored + parked, and read equal to what a Python script
// that shares nothing with the importer counts.
#include <cstdio>

#include "tests/engine/import/import_fixture.h"
#include "tests/support/shared.h"
#include "tests/support/temp_directory.h"

namespace khipu::import {
namespace {

namespace fs = std::filesystem;

// Counts the records of each file given, one number a line: JSON values in any container, CSV rows, export entries.
constexpr const char* kCounter = R"(
import csv, gzip, io, json, sys
WRAPPERS = ('Records', 'Events', 'items')
def count(path):
    data = open(path, 'rb').read()
    if data[:2] == b'\x1f\x8b': data = gzip.decompress(data)
    if path.endswith('.csv'):
        return sum(1 for _ in csv.DictReader(io.StringIO(data.decode(), newline='')))
    if data.lstrip()[:1] not in (b'{', b'['):
        entries, at, inside = 0, 0, False
        while at < len(data):
            end = data.find(b'\n', at)
            if end < 0: end = len(data)
            line = data[at:end]
            at = end + 1
            if not line:
                inside = False
                continue
            if not inside: entries, inside = entries + 1, True
            if b'=' not in line:
                at += 8 + int.from_bytes(data[at:at + 8], 'little') + 1
        return entries
    text, at, total = data.decode(), 0, 0
    decoder = json.JSONDecoder()
    while True:
        while at < len(text) and text[at].isspace(): at += 1
        if at == len(text): return total
        value, at = decoder.raw_decode(text, at)
        if isinstance(value, list): total += len(value)
        else:
            inner = [value[w] for w in WRAPPERS if isinstance(value.get(w), list)]
            total += sum(map(len, inner)) if inner else 1
for path in sys.argv[1:]: print(count(path))
)";

std::vector<uint64_t> counted_by_python(const std::vector<fs::path>& files) {
  const tests::TempDirectory folder;
  std::ofstream(folder / "count.py") << kCounter;
  std::string command = "python3 '" + (folder / "count.py") + "'";
  for (const fs::path& file : files) command += " '" + file.string() + "'";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::vector<uint64_t> counts;
  for (unsigned long long count = 0; std::fscanf(pipe, "%llu", &count) == 1;) counts.push_back(count);
  REQUIRE(pclose(pipe) == 0);
  REQUIRE(counts.size() == files.size());
  return counts;
}

struct Trial {
  const char* format;
  const char* folder;
  uint64_t records;  // SOURCE.md's total
  uint64_t parked;   // records that are of another kind
};

TEST_CASE("import: every shared sample is imported with nothing lost, and counted like Python counts") {
  if (!tests::shared_path("data")) SKIP("the shared sample data is not there");
  // Parked: eight entries as Elastic's shipper rewrote them; {"kind": 0}.
  for (const Trial& trial :
       {Trial{"cloudtrail", "data/cloudtrail", 1217, 0}, Trial{"kubernetes", "data/kubernetes-audit", 689, 1},
        Trial{"journald", "data/journald", 86, 8}}) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(*tests::shared_path(trial.folder))) {
      if (entry.is_regular_file() && entry.path().extension() != ".md") files.push_back(entry.path());
    }
    const std::vector<uint64_t> expected = counted_by_python(files);
    uint64_t read = 0, parked = 0;
    for (size_t i = 0; i < files.size(); ++i) {
      ImportFixture import(trial.format, "");
      INFO(files[i]);
      const std::string text = tests::file_text(files[i]);
      const Report report = import.run(text);
      for (const Reject& reject : report.rejects) UNSCOPED_INFO(reject.line << ": " << reject.reason);
      CHECK(report.read == expected[i]);
      CHECK(report.stored == import.sink.events.size());
      for (const ingest::Event& event : import.sink.events) {
        REQUIRE(text.find(as_text(event.content)) != std::string::npos);  // verbatim
      }
      CHECK(import.run(text).nothing_new);
      read += report.read;
      parked += report.parked;
    }
    INFO(trial.format);
    CHECK(read == trial.records);
    CHECK(parked == trial.parked);
  }
}

}  // namespace
}  // namespace khipu::import
