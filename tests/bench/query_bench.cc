// Questions to a log of N events, warm, through the indexes of its sealed segments and without them; and how long the
// first answer takes after the root is opened.
// Usage: bench_query [--events N] [--rounds N] [--dir DIR] [--keep] [--filled] [--only WORD] [--json]
//
// --keep leaves the log, --filled measures one that was left (and leaves it, with its indexes); --only: the
// measurements whose name has WORD in it. What a process has resident beyond mapped files is asked of the kernel
// (RssAnon). Events lie 137 us apart, so a window is a share of them. Without: the same files, the indexes taken away.
// "Opened afresh" is another Store and Engine in this process: nothing of ours is remembered, the kernel's pages are.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
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
using Steady = std::chrono::steady_clock;
constexpr uint64_t kBatch = 1000;

using bench::die;
using bench::Figures;
using bench::must;
double ms_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

// Of this thread: what other processes take away is not in it.
double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Settings {
  uint64_t events = 1000000;
  int rounds = 200;
  std::string dir = "/tmp/khipu-bench-query";
  bool keep = false, filled = false;
  std::string only;
  std::string one;  // of a process that is asked one thing: cold
  bool wants(const char* what) const { return std::strstr(what, only.c_str()) != nullptr; }
};

double anon_mib() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  double kib = 0;
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "RssAnon:", 8) == 0) kib = std::strtod(line + 8, nullptr);
  }
  if (status != nullptr) std::fclose(status);
  return kib / 1024;
}

Settings parse(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--keep" || word == "--filled") {
      settings.keep = true;
      settings.filled |= word == "--filled";
      continue;
    }
    if (i + 1 == count)
      die("usage: bench_query [--events N] [--rounds N] [--dir DIR] [--keep] [--filled] [--only WORD] [--json]");
    const std::string value = words[++i];
    if (word == "--events") {
      settings.events = std::strtoull(value.c_str(), nullptr, 10);
    } else if (word == "--rounds") {
      settings.rounds = std::max(1, std::atoi(value.c_str()));
    } else if (word == "--dir") {
      settings.dir = value;
    } else if (word == "--only") {
      settings.only = value;
    } else if (word == "--one") {
      settings.one = value;
    } else {
      die("unknown argument " + word);
    }
  }
  return settings;
}

struct Times {
  TimeUs from = 0, to = 0;  // of all events
};

// Waits for the indexes.
void finish(const Settings& settings, writer::Writer& writer, double filled_ms, Figures& figures) {
  const auto waiting = Steady::now();
  writer.wait_until_indexed();
  const double indexed_ms = ms_since(waiting);
  uint64_t log_bytes = 0, index_bytes = 0, indexes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(settings.dir + "/log/logs")) {
    if (entry.path().extension() == ".log") log_bytes += entry.file_size();
    if (entry.path().extension() != ".idx") continue;
    index_bytes += entry.file_size();
    ++indexes;
  }
  figures.row("the log")
      .add("events", static_cast<double>(settings.events))
      .add("filled_s", filled_ms / 1e3)
      .add("then_indexed_s", indexed_ms / 1e3)
      .add("indexes", static_cast<double>(indexes))
      .add("index_share_of_logs", static_cast<double>(index_bytes) / static_cast<double>(log_bytes));
}

// Of a log that an earlier run made: the writer looks after its indexes.
void look_after(const Settings& settings, Figures& figures) {
  const auto root = must(os::open_directory(settings.dir + "/log"));
  const auto keys = must(os::open_directory(settings.dir + "/log.keys"));
  const auto writer = must(writer::Writer::open({*root, *keys, os::system_clock(), os::system_random()}, {}));
  finish(settings, *writer, 0, figures);
  must(writer->close());
}

Times fill(const Settings& settings, Figures& figures) {
  std::filesystem::remove_all(settings.dir);
  std::filesystem::create_directories(settings.dir);
  const auto root = must(os::create_directory(settings.dir + "/log", 0750));
  const auto keys = must(os::create_directory(settings.dir + "/log.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/audit"}));
  const auto writer = must(writer::Writer::open(environment, {}));
  bench::Generator generator(1);
  Times times;
  const auto start = Steady::now();
  for (uint64_t done = 0; done < settings.events; done += kBatch) {
    ingest::Batch batch;
    for (uint64_t i = 0; i < kBatch; ++i) {
      const bench::PlainEvent event = generator.next();
      if (done + i == 0) times.from = event.occurred_at;
      times.to = event.occurred_at + 1;
      bench::append(batch, event);
    }
    must(writer->submit_and_wait(std::move(batch)));
  }
  finish(settings, *writer, ms_since(start), figures);
  must(writer->close());
  return times;
}

class Asked {
 public:
  explicit Asked(const Settings& settings)
      : store_(must(snapshot::Store::open(must(os::open_directory(settings.dir + "/log"))))),
        engine_(*store_, [] { return os::system_clock().now(); }, {}) {}
  query::Engine& engine() { return engine_; }
  uint64_t ask(const query::EventRequest& request) {
    const query::Answer<query::EventPage> page = engine_.events(request);
    held_ = must(engine_.snapshot());
    if (!page.ok()) die(page.error().code + " " + page.error().hint);
    if (page->findings_total > 0) die("a finding: " + page->findings.front().code);
    return page->total;
  }

 private:
  std::unique_ptr<snapshot::Store> store_;
  query::Engine engine_;
  std::shared_ptr<const snapshot::Snapshot> held_;  // as khipu-mcp does while HEAD stands still
};

using Question = std::function<query::EventRequest(std::mt19937_64&)>;

// Where the measurements of one state of the log go.
struct State {
  const Settings& settings;
  Figures& figures;
  const std::string name;
  Figures::Row& row(const char* what) { return figures.row(name + what); }
};

void measure(const char* what, State& state, int rounds, const Question& question) {
  if (!state.settings.wants(what)) return;
  Asked asked(state.settings);
  std::mt19937_64 random(7);
  for (int i = 0; i < 3; ++i) asked.ask(question(random));  // warm
  std::vector<double> times, cpu;
  uint64_t found = 0;
  for (int i = 0; i < rounds; ++i) {
    const query::EventRequest request = question(random);
    const double cpu_before = cpu_ms();
    const auto start = Steady::now();
    found += asked.ask(request);
    times.push_back(ms_since(start));
    cpu.push_back(cpu_ms() - cpu_before);
  }
  std::sort(times.begin(), times.end());
  std::sort(cpu.begin(), cpu.end());
  state.row(what)
      .add("p50_ms", times[times.size() / 2])
      .add("p50_cpu_ms", cpu[cpu.size() / 2])
      .add("p99_ms", times[times.size() * 99 / 100])
      .add("matches", static_cast<double>(found) / rounds)
      .add("anonymous_mib", anon_mib());
}

// A few times one thing that takes long: each time, and the best of processor time of all threads.
double process_cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
double few(const char* what, State& state, int rounds, const std::function<uint64_t(Asked&)>& question) {
  if (!state.settings.wants(what)) return 0;
  Asked asked(state.settings);
  std::vector<double> times, cpu;
  uint64_t found = 0;
  for (int i = 0; i < rounds; ++i) {
    const double cpu_before = process_cpu_ms();
    const auto start = Steady::now();
    found = question(asked);
    times.push_back(ms_since(start));
    cpu.push_back(process_cpu_ms() - cpu_before);
  }
  const double best = *std::min_element(times.begin(), times.end());
  state.row(what)
      .add("first_ms", times.front())
      .add("best_ms", best)
      .add("best_cpu_ms", *std::min_element(cpu.begin(), cpu.end()))
      .add("matches", static_cast<double>(found))
      .add("anonymous_mib", anon_mib());
  return best;
}

void measure_wholes(State& state, int rounds) {
  const auto group = [&](const char* what, query::GroupBy by) {
    few(what, state, rounds, [by](Asked& asked) {
      query::AggregateRequest request;
      request.group_by = {{by, ""}};
      const query::Answer<query::Aggregate> answer = asked.engine().aggregate(request);
      if (!answer.ok()) die(answer.error().code + " " + answer.error().hint);
      if (answer->findings_total > 0) die("a finding: " + answer->findings.front().code);
      return answer->total;
    });
  };
  group("group by actor over everything", query::GroupBy::kActor);
  group("group by action over everything", query::GroupBy::kAction);
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(state.settings.dir + "/log/logs")) {
    if (entry.path().extension() == ".log") bytes += entry.file_size();
  }
  const double best = few("contains over all content", state, rounds, [](Asked& asked) {
    query::EventRequest request;
    request.filter.emplace();
    request.filter->where.text = "no such words";
    request.limit = 25;
    return asked.ask(request);
  });
  if (best > 0) {  // one call looks at so many rows at most
    const uint64_t rows = std::min<uint64_t>(state.settings.events, query::kTextScanRowsMax);
    const double looked_at =
        static_cast<double>(bytes) * static_cast<double>(rows) / static_cast<double>(state.settings.events);
    state.row("contains, of logs/").add("gb_per_s", looked_at / best / 1e6).add("gb", looked_at / 1e9);
  }
  few("history of an entity", state, rounds, [](Asked& asked) {
    query::HistoryRequest request;
    request.entity = "resource:acct-" + std::to_string(std::random_device{}() % 1000);
    const query::Answer<query::History> answer = asked.engine().history(request);
    if (!answer.ok()) die(answer.error().code + " " + answer.error().hint);
    return answer->total;
  });
  few("find entity by a name", state, rounds, [](Asked& asked) {
    query::FindRequest request;
    request.text = "user number " + std::to_string(std::random_device{}() % 10000);
    const query::Answer<query::FoundEntities> answer = asked.engine().find(request);
    if (!answer.ok()) die(answer.error().code + " " + answer.error().hint);
    return answer->total;
  });
}

// In a process of its own, files in the page cache: from main() to the answer.
int cold(const Settings& settings, Steady::time_point start) {
  Asked asked(settings);
  if (settings.one == "history") {
    query::HistoryRequest request;
    request.entity = "resource:acct-" + std::to_string(std::random_device{}() % 1000);
    if (!asked.engine().history(request).ok()) die("no history");
  } else if (settings.one == "find") {
    query::FindRequest request;
    request.text = "user number " + std::to_string(std::random_device{}() % 10000);
    if (!asked.engine().find(request).ok()) die("nobody found");
  } else {
    query::EventRequest request;
    request.filter.emplace();
    request.filter->where.actors = {"user:u-" + std::to_string(std::random_device{}() % bench::Generator::kActors)};
    asked.ask(request);
  }
  std::printf("%.3f %.3f %.1f\n", ms_since(start), process_cpu_ms(), anon_mib());
  return 0;
}
void measure_cold(State& state, int rounds, const char* name, const char* what) {
  if (!state.settings.wants(name)) return;
  std::vector<double> wall, cpu;
  double most = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::string self =
        std::filesystem::read_symlink("/proc/self/exe").string() + " --dir " + state.settings.dir + " --one " + what;
    std::FILE* pipe = popen(self.c_str(), "r");
    double ms = 0, used = 0, mib = 0;
    if (pipe == nullptr || std::fscanf(pipe, "%lf %lf %lf", &ms, &used, &mib) != 3) die("it said nothing");
    if (pclose(pipe) != 0) die(std::string(what) + " failed");
    wall.push_back(ms);
    cpu.push_back(used);
    most = std::max(most, mib);
  }
  std::sort(wall.begin(), wall.end());
  std::sort(cpu.begin(), cpu.end());
  state.row(name)
      .add("best_ms", wall.front())
      .add("p50_ms", wall[wall.size() / 2])
      .add("p50_cpu_ms", cpu[cpu.size() / 2])
      .add("anonymous_mib", most);
}

void measure_all(State state, const Times& times, int rounds) {
  const TimeUs tenth = (times.to - times.from) / 10;
  const auto filter = [] {
    query::EventRequest request;
    request.filter.emplace();
    request.limit = 25;
    return request;
  };
  const auto window = [&](query::EventRequest& request, std::mt19937_64& random) {
    request.filter->from = times.from + static_cast<TimeUs>(random() % static_cast<uint64_t>(9 * tenth));
    request.filter->to = *request.filter->from + tenth;
  };
  measure("by actor, newest 25, exact total", state, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.filter->where.actors = {"user:u-" + std::to_string(random() % bench::Generator::kActors)};
    return request;
  });
  measure("the same of one actor, again and again", state, rounds, [&](std::mt19937_64&) {
    auto request = filter();
    request.filter->where.actors = {"user:u-4321"};
    return request;
  });
  measure("by target in a window of 10 %", state, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.filter->where.targets = {"resource:acct-" + std::to_string(random() % 2000)};
    window(request, random);
    return request;
  });
  measure("the same target and window of 10 %, again and again", state, rounds, [&](std::mt19937_64&) {
    auto request = filter();
    request.filter->where.targets = {"resource:acct-1234"};
    request.filter->from = times.from + 9 * tenth / 2;
    request.filter->to = *request.filter->from + tenth;
    return request;
  });
  measure("count of a window of 10 %", state, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.limit = 0;
    window(request, random);
    return request;
  });
  measure("count of an action in a window of 10 %", state, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.limit = 0;
    request.filter->where.actions = {"DELETE"};
    window(request, random);
    return request;
  });
  measure_wholes(state, std::max(1, std::min(rounds, 5)));
  measure_cold(state, std::min(rounds, 15), "cold process, newest 25 of an actor", "actor");
  measure_cold(state, std::min(rounds, 5), "cold process, history of an entity", "history");
  measure_cold(state, std::min(rounds, 5), "cold process, find entity by a name", "find");
}

}  // namespace

int main(int count, char** words) {
  const auto start = Steady::now();
  Figures figures("query", bench::take_flag(count, words, "--json"));
  const Settings settings = parse(count, words);
  if (!settings.one.empty()) return cold(settings, start);
  bench::Generator first(1);
  const TimeUs from = first.next().occurred_at;
  if (settings.filled) look_after(settings, figures);
  const Times times = settings.filled ? Times{from, from + static_cast<TimeUs>(settings.events - 1) * 137 + 1}
                                      : fill(settings, figures);
  measure_all({settings, figures, ""}, times, settings.rounds);
  if (!settings.keep) {
    for (const auto& entry : std::filesystem::directory_iterator(settings.dir + "/log/logs")) {
      if (entry.path().extension() == ".idx") std::filesystem::remove(entry.path());
    }
    measure_all({settings, figures, "without indexes: "}, times, std::max(1, settings.rounds / 20));
    std::filesystem::remove_all(settings.dir);
  }
  figures.print();
  return 0;
}
