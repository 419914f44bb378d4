// Opening a root that has grown: the writer again, after it closed and after it was killed, and a reader's process to
// its first answer. Each opening in a process of its own; files are in the page cache.
// Usage: bench_open [--events N] [--entities N] [--rounds N] [--dir DIR] [--keep] [--json]   (1000000, 110000, 5)
//
// Events are the generator's; entities beyond those it names are introduced first, 250 an event.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engine/query/engine.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using bench::die;
using bench::must;
using Steady = std::chrono::steady_clock;
constexpr uint64_t kBatch = 1000, kNamed = 250;  // events in a batch; entities introduced by one event

struct Settings {
  uint64_t events = 1000000, entities = 110000;
  int rounds = 5;
  std::string dir = "/tmp/khipu-bench-open";
  bool keep = false;
};

double ms_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

double cpu_ms() {  // of the whole process, from its beginning
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

double peak_mib() {  // getrusage would count what was there before exec()
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  double kib = 0;
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "VmHWM:", 6) == 0) kib = std::strtod(line + 6, nullptr);
  }
  if (status != nullptr) std::fclose(status);
  return kib / 1024;
}

struct Opened {
  explicit Opened(const std::string& dir)
      : root(must(os::open_directory(dir + "/log"))), keys(must(os::open_directory(dir + "/log.keys"))) {}
  std::unique_ptr<os::Directory> root, keys;
  writer::Environment environment() { return {*root, *keys, os::system_clock(), os::system_random()}; }
};

void introduce(writer::Writer& writer, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to;) {
    ingest::Batch batch;
    ingest::Event event;
    event.actor = {"user", "u-0", {}, false};
    event.action = "REGISTER";
    std::vector<ingest::EntityInput> targets;
    for (uint64_t n = 0; n < kNamed && i < to; ++n, ++i) {
      const ingest::FieldInput name{
          "name", false, codec::Value::of_text(batch.keep(std::string_view("account " + std::to_string(i))))};
      targets.push_back({"resource", batch.keep(std::string_view("acct-" + std::to_string(i))),
                         batch.keep(std::span(&name, 1)), false});
    }
    event.targets = batch.keep(std::span<const ingest::EntityInput>(targets));
    batch.events.push_back(event);
    must(writer.submit_and_wait(std::move(batch)));
  }
}

void add_events(writer::Writer& writer, bench::Generator& generator, uint64_t events) {
  for (uint64_t done = 0; done < events;) {
    ingest::Batch batch;
    for (uint64_t n = 0; n < kBatch && done < events; ++n, ++done) bench::append(batch, generator.next());
    must(writer.submit_and_wait(std::move(batch)));
  }
}

void fill(const Settings& settings) {
  Opened at(settings.dir);
  must(writer::initialize(at.environment(), {"bench.example/open"}));
  const auto writer = must(writer::Writer::open(at.environment(), {}));
  const uint64_t named = bench::Generator::kActors + bench::Generator::kTargets;
  if (settings.entities > named)
    introduce(*writer, bench::Generator::kTargets, settings.entities - bench::Generator::kActors);
  bench::Generator generator(1);
  add_events(*writer, generator, settings.events);
  writer->wait_until_indexed();
  must(writer->close());
  std::printf("%.1f\n", peak_mib());
}

// One of: fill | writer | crash | reader. Says "PEAK_MIB" (fill) or "MS CPU_MS PEAK_MIB" (writer and reader).
int one(const std::string& what, const Settings& settings, Steady::time_point start) {
  if (what == "fill") {
    fill(settings);
    return 0;
  }
  if (what == "reader") {
    const auto store = must(snapshot::Store::open(must(os::open_directory(settings.dir + "/log"))));
    query::Engine engine(*store, [] { return os::system_clock().now(); }, {});
    query::EventRequest request;
    request.filter.emplace();
    request.filter->where.actors = {"user:u-" + std::to_string(std::random_device{}() % 1000)};
    request.limit = 25;
    const query::Answer<query::EventPage> page = engine.events(request);
    if (!page.ok()) die(page.error().code + " " + page.error().hint);
    if (page->findings_total > 0) die("a finding: " + page->findings.front().code);
    std::printf("%.3f %.3f %.1f\n", ms_since(start), cpu_ms(), peak_mib());
    return 0;
  }
  Opened at(settings.dir);
  const auto writer = must(writer::Writer::open(at.environment(), {}));
  if (what == "crash") {
    bench::Generator generator(std::random_device{}());
    add_events(*writer, generator, 20000);
    std::_Exit(0);
  }
  std::printf("%.3f %.3f %.1f\n", ms_since(start), cpu_ms(), peak_mib());
  std::fflush(stdout);
  must(writer->close());
  return 0;
}

std::string self(const Settings& settings, const char* what) {
  return std::filesystem::read_symlink("/proc/self/exe").string() + " --one " + what + " --dir " + settings.dir +
         " --events " + std::to_string(settings.events) + " --entities " + std::to_string(settings.entities);
}

void run(const Settings& settings, const char* what) {
  if (std::system(self(settings, what).c_str()) != 0) die(std::string(what) + " failed");
}

double fill_apart(const Settings& settings) {
  std::FILE* pipe = popen(self(settings, "fill").c_str(), "r");
  double mib = 0;
  if (pipe == nullptr || std::fscanf(pipe, "%lf", &mib) != 1 || pclose(pipe) != 0) die("fill failed");
  return mib;
}

void measure(bench::Figures& figures, const Settings& settings, const char* name, const char* what,
             const char* before) {
  std::vector<double> wall, cpu;
  double peak = 0;
  for (int i = 0; i < settings.rounds; ++i) {
    if (before != nullptr) run(settings, before);
    std::FILE* pipe = popen(self(settings, what).c_str(), "r");
    double ms = 0, used = 0, mib = 0;
    if (pipe == nullptr || std::fscanf(pipe, "%lf %lf %lf", &ms, &used, &mib) != 3) die("it said nothing");
    if (pclose(pipe) != 0) die(std::string(what) + " failed");
    wall.push_back(ms);
    cpu.push_back(used);
    peak = std::max(peak, mib);
  }
  std::sort(wall.begin(), wall.end());
  std::sort(cpu.begin(), cpu.end());
  figures.row(name)
      .add("best_ms", wall.front())
      .add("p50_ms", wall[wall.size() / 2])
      .add("best_cpu_ms", cpu.front())
      .add("p50_cpu_ms", cpu[cpu.size() / 2])
      .add("rss_kib", peak * 1024);
}

}  // namespace

int main(int count, char** words) {
  const auto start = Steady::now();
  bench::Figures figures("open", bench::take_flag(count, words, "--json"));
  Settings settings;
  std::string what;
  bool filled = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--keep" || word == "--filled") {
      settings.keep = true;
      filled |= word == "--filled";
      continue;
    }
    if (i + 1 == count)
      die("usage: bench_open [--events N] [--entities N] [--rounds N] [--dir DIR] [--keep] [--filled] [--json]");
    const std::string value = words[++i];
    if (word == "--events") {
      settings.events = std::strtoull(value.c_str(), nullptr, 10);
    } else if (word == "--entities") {
      settings.entities = std::strtoull(value.c_str(), nullptr, 10);
    } else if (word == "--rounds") {
      settings.rounds = std::max(1, std::atoi(value.c_str()));
    } else if (word == "--dir") {
      settings.dir = value;
    } else if (word == "--one") {
      what = value;
    } else {
      die("unknown argument " + word);
    }
  }
  if (!what.empty()) return one(what, settings, start);
  if (!filled) {
    std::filesystem::remove_all(settings.dir);
    std::filesystem::create_directories(settings.dir + "/log");
    std::filesystem::create_directories(settings.dir + "/log.keys");
    std::filesystem::permissions(settings.dir + "/log.keys", std::filesystem::perms::owner_all);
    figures.row("writer that filled the log")
        .add("events", static_cast<double>(settings.events))
        .add("entities", static_cast<double>(settings.entities))
        .add("rss_kib", fill_apart(settings) * 1024);
  }
  measure(figures, settings, "reader, newest 25 of an actor", "reader", nullptr);
  measure(figures, settings, "writer, behind close()", "writer", nullptr);
  measure(figures, settings, "writer, killed behind 20,000 events", "writer", "crash");
  figures.print();
  if (!settings.keep) std::filesystem::remove_all(settings.dir);
  return 0;
}
