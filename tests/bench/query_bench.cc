// Questions to a log of N events, warm, through the indexes of its sealed segments and without them; and how long the
// first answer takes after the root is opened. Usage: bench_query [--events N] [--rounds N] [--dir DIR]
//
// Events lie 137 us apart, so a window is a share of them. Without: the same files, the indexes taken away. "Opened
// afresh" is another Store and Engine in this process: nothing of ours is remembered, the kernel's pages are.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "engine/query/engine.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using Steady = std::chrono::steady_clock;
constexpr uint64_t kBatch = 1000;

using bench::die;
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
};

Settings parse(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (i + 1 == count) die("usage: bench_query [--events N] [--rounds N] [--dir DIR]");
    const std::string value = words[++i];
    if (word == "--events") {
      settings.events = std::strtoull(value.c_str(), nullptr, 10);
    } else if (word == "--rounds") {
      settings.rounds = std::max(1, std::atoi(value.c_str()));
    } else if (word == "--dir") {
      settings.dir = value;
    } else {
      die("unknown argument " + word);
    }
  }
  return settings;
}

struct Times {
  TimeUs from = 0, to = 0;  // of all events
};

Times fill(const Settings& settings) {
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
  const double filled = ms_since(start);
  const auto waiting = Steady::now();
  writer->wait_until_indexed();
  uint64_t log_bytes = 0, index_bytes = 0, indexes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(settings.dir + "/log/logs")) {
    if (entry.path().extension() == ".log") log_bytes += entry.file_size();
    if (entry.path().extension() != ".idx") continue;
    index_bytes += entry.file_size();
    ++indexes;
  }
  std::printf("%llu events in %.1f s, then %.2f s until indexed; %llu indexes, %.1f %% of logs/\n",
              static_cast<unsigned long long>(settings.events), filled / 1e3, ms_since(waiting) / 1e3,
              static_cast<unsigned long long>(indexes),
              100.0 * static_cast<double>(index_bytes) / static_cast<double>(log_bytes));
  must(writer->close());
  return times;
}

class Asked {
 public:
  explicit Asked(const Settings& settings)
      : store_(must(snapshot::Store::open(must(os::open_directory(settings.dir + "/log"))))),
        engine_(*store_, [] { return os::system_clock().now(); }, {}) {}
  uint64_t ask(const query::EventRequest& request) {
    const query::Answer<query::EventPage> page = engine_.events(request);
    if (!page.ok()) die(page.error().code + " " + page.error().hint);
    if (page->findings_total > 0) die("a finding: " + page->findings.front().code);
    return page->total;
  }

 private:
  std::unique_ptr<snapshot::Store> store_;
  query::Engine engine_;
};

using Question = std::function<query::EventRequest(std::mt19937_64&)>;

void measure(const char* what, const Settings& settings, int rounds, const Question& question) {
  Asked asked(settings);
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
  std::printf("  %-40s p50 %8.3f ms (%8.3f of processor)   p99 %8.3f ms   %.0f matches\n", what,
              times[times.size() / 2], cpu[cpu.size() / 2], times[times.size() * 99 / 100],
              static_cast<double>(found) / rounds);
  std::fflush(stdout);
}

void measure_all(const Settings& settings, const Times& times, int rounds) {
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
  measure("by actor, newest 25, exact total", settings, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.filter->where.actors = {"user:u-" + std::to_string(random() % bench::Generator::kActors)};
    return request;
  });
  measure("the same of one actor, again and again", settings, rounds, [&](std::mt19937_64&) {
    auto request = filter();
    request.filter->where.actors = {"user:u-4321"};
    return request;
  });
  measure("by target in a window of 10 %", settings, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.filter->where.targets = {"resource:acct-" + std::to_string(random() % 2000)};
    window(request, random);
    return request;
  });
  measure("count of a window of 10 %", settings, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.limit = 0;
    window(request, random);
    return request;
  });
  measure("count of an action in a window of 10 %", settings, rounds, [&](std::mt19937_64& random) {
    auto request = filter();
    request.limit = 0;
    request.filter->where.actions = {"DELETE"};
    window(request, random);
    return request;
  });
  std::vector<double> opened, by_name, by_name_cpu;
  for (int i = 0; i < std::min(rounds, 9); ++i) {
    auto newest = filter();
    auto start = Steady::now();
    Asked(settings).ask(newest);
    opened.push_back(ms_since(start));
    newest.filter->where.actors = {"user:u-" + std::to_string(i)};
    start = Steady::now();
    const double cpu_before = cpu_ms();
    Asked(settings).ask(newest);
    by_name.push_back(ms_since(start));
    by_name_cpu.push_back(cpu_ms() - cpu_before);
  }
  std::sort(opened.begin(), opened.end());
  std::sort(by_name.begin(), by_name.end());
  std::sort(by_name_cpu.begin(), by_name_cpu.end());
  std::printf(
      "  opened afresh to the first answer: newest 25 %.1f ms; by actor (reads registry/) %.1f ms (%.1f of "
      "processor)\n",
      opened[opened.size() / 2], by_name[by_name.size() / 2], by_name_cpu[by_name_cpu.size() / 2]);
}

}  // namespace

int main(int count, char** words) {
  const Settings settings = parse(count, words);
  const Times times = fill(settings);
  std::printf("with indexes\n");
  measure_all(settings, times, settings.rounds);
  for (const auto& entry : std::filesystem::directory_iterator(settings.dir + "/log/logs")) {
    if (entry.path().extension() == ".idx") std::filesystem::remove(entry.path());
  }
  std::printf("without\n");
  measure_all(settings, times, std::max(1, settings.rounds / 20));
  std::filesystem::remove_all(settings.dir);
  return 0;
}
