// `khipu import` and `khipu append` of many events, whole processes from start to end: from a file to a log that is
// synced, sealed and indexed. Usage: bench_import KHIPU [--events N] [--dir DIR] [--json] [--keep]
//
// Foreign records of about 400 bytes are mapped by a mapping file; canonical events of about 400 bytes are appended.
// Files are made beforehand and in the page cache.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/base/time.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using bench::die;
using Steady = std::chrono::steady_clock;

struct Settings {
  std::string khipu, dir = "/tmp/khipu-bench-import";
  uint64_t events = 1000000;
  bool json = false, keep = false;
};

constexpr const char* kMapping = R"({"khipu_mapping": 1, "name": "bench",
 "types": {"user": {"name": "text"}, "resource": {"name": "text"}},
 "event": {
  "occurred_at": {"pointer": "/time", "formats": ["rfc3339"]},
  "actor": {"type": "user", "id": {"pointer": "/user/id"}, "fields": {"name": {"pointer": "/user/name"}}},
  "action": {"pointer": "/verb"},
  "action_class": {"pointer": "/verb", "table": {"GET": "read", "POST": "create", "PUT": "update",
                   "DELETE": "delete", "LOGIN": "auth", "GRANT": "privilege"}},
  "outcome": {"pointer": "/ok", "table": {"true": "success", "false": "failure"}},
  "url": {"pointer": "/url"}, "source": {"constant": "billing"}, "source_ip": {"pointer": "/ip"},
  "event_id": {"pointer": "/id"},
  "targets": [{"type": "resource", "id": {"pointer": "/object/id"}, "fields": {"name": {"pointer": "/object/name"}}}]}}
)";

std::string foreign(const bench::PlainEvent& event, uint64_t i) {
  return R"({"id":"e-)" + std::to_string(i) + R"(","time":")" + format_rfc3339(event.occurred_at) +
         R"(","user":{"id":")" + event.actor + R"(","name":")" + event.actor_name + R"("},"verb":")" + event.action +
         R"(","ok":true,"object":{"id":")" + event.target + R"(","name":")" + event.target_name + R"("},"url":")" +
         event.url + R"(","ip":"198.51.100.7","detail":)" + event.content + "}\n";
}

struct Finished {
  double seconds = 0, cpu_seconds = 0;
  long rss_kib = 0;
};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Standard output goes to `log`, which is shown when the program fails.
Finished run(std::vector<std::string> words, const std::string& input, const std::string& log) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, input.empty() ? "/dev/null" : input.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const auto start = Steady::now();
  pid_t child = 0;
  if (posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
    die(words[0] + ": no start");
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child) die("wait4");
  const std::chrono::duration<double> wall = Steady::now() - start;
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0) {
    std::ifstream said(log);
    std::string line;
    while (std::getline(said, line)) std::fprintf(stderr, "%s\n", line.c_str());
    die(words[1] + " failed");
  }
  return {wall.count(), seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss};
}

uint64_t folder_bytes(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

Settings parse(int count, char** words) {
  Settings settings;
  constexpr const char* kUsage = "usage: bench_import KHIPU [--events N] [--dir DIR] [--json] [--keep]";
  if (count < 2 || words[1][0] == '-') die(kUsage);
  settings.khipu = words[1];
  for (int i = 2; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--json") {
      settings.json = true;
    } else if (word == "--keep") {
      settings.keep = true;
    } else if (word == "--events" && i + 1 < count) {
      settings.events = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--dir" && i + 1 < count) {
      settings.dir = words[++i];
    } else {
      die(kUsage);
    }
  }
  if (settings.events == 0) die("--events: a whole number above 0");
  if (std::filesystem::exists(settings.dir)) die(settings.dir + " is there already; it would be removed at the end");
  return settings;
}

}  // namespace

int main(int count, char** words) {
  const Settings settings = parse(count, words);
  std::filesystem::create_directories(settings.dir);
  const auto in_dir = [&](const char* name) { return settings.dir + "/" + name; };
  std::ofstream(in_dir("mapping.json")) << kMapping;
  uint64_t foreign_bytes = 0, canonical_bytes = 0;
  {
    std::ofstream mapped(in_dir("foreign.ndjson")), appended(in_dir("canonical.ndjson"));
    bench::Generator generator(1);
    for (uint64_t i = 0; i < settings.events; ++i) {
      const bench::PlainEvent event = generator.next();
      const std::string one = foreign(event, i), other = bench::compact_json(event);
      mapped << one;
      appended << other;
      foreign_bytes += one.size();
      canonical_bytes += other.size();
    }
  }
  bench::Figures figures("import", settings.json);
  const auto report = [&](const char* name, const Finished& done, uint64_t input_bytes, const std::string& root) {
    const auto events = static_cast<double>(settings.events);
    figures.row(name)
        .add("events_per_s", events / done.seconds)
        .add("cpu_us_per_event", done.cpu_seconds * 1e6 / events)
        .add("input_bytes_per_event", static_cast<double>(input_bytes) / events)
        .add("disk_bytes_per_event", static_cast<double>(folder_bytes(root)) / events)
        .add("rss_kib", static_cast<double>(done.rss_kib));
  };
  const std::string log = in_dir("output");
  run({settings.khipu, "init", in_dir("imported"), "--origin", "bench.example/import"}, "", log);
  const Finished imported = run({settings.khipu, "import", in_dir("imported"), "--format", "jsonl", "--mapping",
                                 in_dir("mapping.json"), in_dir("foreign.ndjson")},
                                "", log);
  report("khipu import --format jsonl", imported, foreign_bytes, in_dir("imported"));
  run({settings.khipu, "init", in_dir("appended"), "--origin", "bench.example/append"}, "", log);
  const Finished appended = run({settings.khipu, "append", in_dir("appended")}, in_dir("canonical.ndjson"), log);
  report("khipu append", appended, canonical_bytes, in_dir("appended"));
  figures.print();
  if (!settings.keep) std::filesystem::remove_all(settings.dir);
  return 0;
}
