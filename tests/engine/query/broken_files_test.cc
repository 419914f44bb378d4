// Segments whose files are cut short, gone or something else, under readers that know them and readers that do not:
// what can be read is the answer, the rest is a finding that names the file, and nothing ends the process.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/engine/query/real_log.h"
#include "tests/support/thorough.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kEvents = 120;
constexpr const char* kVictim = "logs/seg-0000000001.log";

// Several sealed segments, each of more pages than one.
struct Broken {
  TestLog log{32 << 10};
  std::unique_ptr<RealLog> real;
  explicit Broken(bool indexed) {
    for (uint64_t i = 0; i < kEvents; ++i) {
      log.add({.action = i % 2 == 0 ? "GET" : "PUT", .text = "leases " + std::string(1000, 'x')});
    }
    log.wait_until_indexed();
    if (!indexed) REQUIRE(log.spoil_indexes(false) > 1);
    real = std::make_unique<RealLog>(log);
    REQUIRE(fs::file_size(*real / kVictim) > 16384);
    REQUIRE(fs::exists(*real / "logs/seg-0000000002.log"));
  }
};

EventRequest by_text() {
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.text = "leases";
  request.limit = 5;
  request.order = {OrderBy::kSeq, false};
  return request;
}

bool names_it(const std::vector<Finding>& findings, const std::string& code) {
  for (const Finding& f : findings) UNSCOPED_INFO(f.code << " " << f.row.value << "+" << f.rows << " " << f.where);
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
    return finding.code == code && finding.where.find("seg-0000000001.log") != std::string::npos;
  });
}

// Every kind of question about logs/ is answered, and says what it left out.
void ask_all(Engine& engine, const std::string& code, uint64_t rows_left) {
  const EventPage page = good(engine.events(by_text()));
  CHECK(page.total >= rows_left);
  CHECK(page.total < kEvents);
  CHECK(page.total_is_lower_bound);
  CHECK_FALSE(page.coverage.complete);
  CHECK(names_it(page.findings, code));

  uint64_t exported = 0;
  const auto count = [&](const EventRow&) { return ++exported > 0; };
  const EventPage all = good(engine.each_event(Filter{}, {OrderBy::kSeq, false}, count, {}, false));
  CHECK(exported >= rows_left);
  CHECK(exported < kEvents);
  CHECK(names_it(all.findings, code));

  SampleRequest sample;
  sample.n = 100;
  sample.seed = "s";
  CHECK(names_it(good(engine.sample(sample)).findings, code));

  AggregateRequest groups;
  groups.filter.where.text = "leases";
  groups.group_by = {{GroupBy::kAction, {}}};
  const Aggregate counted = good(engine.aggregate(groups));
  CHECK(counted.total_is_lower_bound);
  CHECK(names_it(counted.findings, code));

  LogCoverageRequest coverage;
  const auto covered = engine.log_coverage(coverage);
  INFO((covered.ok() ? "" : covered.error().hint));
  CHECK(covered.ok());
}

}  // namespace

TEST_CASE("broken files: a segment cut short under a reader that has it mapped ends nothing and is a finding") {
  for (const bool indexed : {true, false}) {
    for (const uint64_t size : {uint64_t{0}, uint64_t{8192}, uint64_t{9000}}) {
      CAPTURE(indexed, size);
      Broken broken(indexed);
      Engine& engine = broken.real->engine();
      REQUIRE(good(engine.events(by_text())).total == kEvents);
      REQUIRE(good(engine.events(by_text())).total == kEvents);
      fs::resize_file(*broken.real / kVictim, size);
      ask_all(engine, "segment-truncated", kEvents - 40);
      ask_all(engine, "segment-truncated", kEvents - 40);
    }
  }
}

TEST_CASE("broken files: a file that is whole again is read again") {
  Broken broken(false);
  Engine& engine = broken.real->engine();
  REQUIRE(good(engine.events(by_text())).total == kEvents);
  fs::copy_file(*broken.real / kVictim, *broken.real / "kept");
  fs::resize_file(*broken.real / kVictim, 8192);
  REQUIRE(good(engine.events(by_text())).total < kEvents);
  fs::copy_file(*broken.real / "kept", *broken.real / kVictim, fs::copy_options::overwrite_existing);
  const EventPage page = good(engine.events(by_text()));
  CHECK(page.total == kEvents);
  CHECK(page.findings.empty());
}

TEST_CASE("broken files: what is no file in a segment's place is missing, for a reader that has not opened it") {
  for (const bool indexed : {true, false}) {
    for (const std::string kind : {"gone", "folder", "link", "pipe", "short", "empty"}) {
      CAPTURE(indexed, kind);
      Broken broken(indexed);
      const std::string path = *broken.real / kVictim;
      if (kind == "short" || kind == "empty") {
        fs::resize_file(path, kind == "short" ? 9000 : 0);
        ask_all(broken.real->engine(), "segment-truncated", kEvents - 40);
        continue;
      }
      fs::rename(path, *broken.real / "kept");
      if (kind == "folder") fs::create_directory(path);
      if (kind == "link") fs::create_symlink("../kept", path);
      if (kind == "pipe") REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
      ask_all(broken.real->engine(), "segment-missing", kEvents - 40);
      EventRequest counted;
      counted.filter = Filter{};
      counted.filter->where.actions = {"GET"};
      counted.limit = 0;
      CHECK(good(broken.real->engine().events(counted)).total_is_lower_bound);
    }
  }
}

// So many more files than are open may be opened while it lives.
struct FilesLeft {
  explicit FilesLeft(rlim_t count) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    const struct rlimit now = {static_cast<rlim_t>(next) + count, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~FilesLeft() { ::setrlimit(RLIMIT_NOFILE, &before); }
  struct rlimit before {};
};

TEST_CASE("broken files: files that the system will not open are an error of the answer, and no finding") {
  if (khipu::tests::kSanitized)
    SKIP("UBSan looks into memory through descriptors, and takes an object for none without one");
  Broken broken(true);
  AggregateRequest by_actor;
  by_actor.group_by = {{GroupBy::kActor, {}}};
  HistoryRequest history;
  history.entity = "user:u-1";
  uint64_t refused = 0;
  for (rlim_t files = 0; files < 40; ++files) {
    for (const bool groups : {false, true}) {
      RealLog real(broken.log);
      const FilesLeft left(files);
      std::vector<Finding> findings;
      if (groups) {
        auto answer = real.engine().aggregate(by_actor);
        refused += answer.ok() ? 0 : 1;
        if (answer.ok()) findings = answer->findings;
      } else {
        auto answer = real.engine().history(history);
        refused += answer.ok() ? 0 : 1;
        if (answer.ok()) findings = answer->findings;
      }
      INFO(files << " files" << (groups ? ", groups" : ", history"));
      for (const Finding& f : findings) UNSCOPED_INFO(f.code << " " << f.row.value << " " << f.where);
      CHECK(findings.empty());
    }
  }
  CHECK(refused > 0);
  CHECK(refused < 80);
}

TEST_CASE("broken files: what stands in the place of HEAD or of meta's segment is said with its name") {
  for (const std::string file : {"HEAD", "meta/seg-0000000000.log"}) {
    for (const std::string kind : {"folder", "link", "pipe", "empty"}) {
      CAPTURE(file, kind);
      Broken broken(true);
      const std::string path = *broken.real / file;
      fs::rename(path, *broken.real / "kept");
      if (kind == "folder") fs::create_directory(path);
      if (kind == "link") fs::create_symlink(*broken.real / "kept", path);
      if (kind == "pipe") REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
      if (kind == "empty") std::ofstream(path).close();
      const auto page = broken.real->engine().events(by_text());
      REQUIRE_FALSE(page.ok());
      REQUIRE(page.error().cause.has_value());
      const std::string message = page.error().cause->message;
      CHECK_THAT(message, ContainsSubstring(file));
      const std::string wrong = kind != "empty" ? "regular file" : file == "HEAD" ? "damaged" : "has 0 bytes";
      CHECK_THAT(message, ContainsSubstring(wrong));
    }
  }
}
