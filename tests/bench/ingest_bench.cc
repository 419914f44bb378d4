// Durable ingest through the engine API beside SQLite and the bare disk, in one run. Prints a table, or JSON with
// --json. Usage: bench_ingest [--events N] [--sqlite-events N] [--always N] [--dir DIR] [--json]
#include <cstdio>
#include <filesystem>

#include "tests/bench/contest.h"
#include "tests/bench/figures.h"

namespace {

using namespace khipu;
constexpr size_t kBatch = 1000;

struct Settings {
  uint64_t events = 1000000, sqlite_events = 200000, always = 5000;
  std::string dir = "/tmp/khipu-bench";
  bool json = false;
};
struct Measured {
  std::string name;
  uint64_t events = 0;
  double seconds = 0;
  uint64_t disk_bytes = 0;
  double rate() const { return static_cast<double>(events) / seconds; }
};

using bench::die;
using bench::must;

enum class Registry { kEmpty, kKnown };

Measured khipu_run(const Settings& settings, const std::string& name, writer::SyncPolicy policy, Registry registry,
                   uint64_t events, size_t batch_size) {
  const std::string path = settings.dir + "/" + name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  auto root = must(os::create_directory(path + "/root", 0750));
  auto keys = must(os::create_directory(path + "/root.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/audit"}));
  writer::Options options;
  auto writer = must(writer::Writer::open(environment, options));
  if (registry == Registry::kKnown) bench::introduce(*writer, kBatch);
  options.sync = policy;
  writer->reconfigure(options);
  const uint64_t before_bytes = bench::folder_bytes(path);
  bench::Generator generator(1);
  std::vector<ingest::Batch> batches((events + batch_size - 1) / batch_size);
  for (uint64_t i = 0; i < events; ++i) bench::append(batches[i / batch_size], generator.next());
  Measured row{name, events, 0, 0};
  row.seconds = bench::seconds_of([&] {
    bench::InFlight in_flight;
    for (ingest::Batch& batch : batches) {
      if (policy == writer::SyncPolicy::kAlways) {
        must(writer->submit_and_wait(std::move(batch)));
      } else {
        bench::submit(*writer, in_flight, std::move(batch));
      }
    }
    in_flight.drain();
  });
  must(writer->close());
  row.disk_bytes = bench::folder_bytes(path) - before_bytes;
  return row;
}

Measured bare_run(const Settings& settings, const std::string& name, uint64_t events, size_t batch_size, bool hashed) {
  const std::string path = settings.dir + "/" + name;
  const double seconds = bench::bare(path, events, batch_size, hashed);
  return {name, events, seconds, std::filesystem::file_size(path)};
}

Measured sqlite_run(const Settings& settings, const std::string& name, bool tuned) {
  std::vector<bench::PlainEvent> events;
  bench::Generator generator(1);
  for (uint64_t i = 0; i < settings.sqlite_events; ++i) events.push_back(generator.next());
  const std::string path = settings.dir + "/" + name + ".db";
  const double seconds = bench::sqlite(path, events, kBatch, tuned);
  return {name, events.size(), seconds, std::filesystem::file_size(path)};
}

Settings parse(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto number = [&] { return i + 1 < count ? std::strtoull(words[++i], nullptr, 10) : 0; };
    if (word == "--events")
      settings.events = number();
    else if (word == "--sqlite-events")
      settings.sqlite_events = number();
    else if (word == "--always")
      settings.always = number();
    else if (word == "--dir" && i + 1 < count)
      settings.dir = words[++i];
    else if (word == "--json")
      settings.json = true;
    else
      die("usage: bench_ingest [--events N] [--sqlite-events N] [--always N] [--dir DIR] [--json]");
  }
  return settings;
}

}  // namespace

int main(int count, char** words) {
  const Settings settings = parse(count, words);
  std::filesystem::create_directories(settings.dir);
  std::vector<Measured> rows;
  rows.push_back(bare_run(settings, "bare append, 1000 a sync", settings.events, kBatch, false));
  rows.push_back(bare_run(settings, "bare append + SHA-256 tree, 1000 a sync", settings.events, kBatch, true));
  using writer::SyncPolicy;
  rows.push_back(khipu_run(settings, "khipu group, entities known", SyncPolicy::kGroup, Registry::kKnown,
                           settings.events, kBatch));
  rows.push_back(sqlite_run(settings, "sqlite WAL FULL, 1000 a transaction", false));
  rows.push_back(sqlite_run(settings, "sqlite tuned, checkpoint every 256 MB", true));
  rows.push_back(bare_run(settings, "bare append, 1 a sync", settings.always, 1, false));
  rows.push_back(
      khipu_run(settings, "khipu always, entities known", SyncPolicy::kAlways, Registry::kKnown, settings.always, 1));
  rows.push_back(khipu_run(settings, "khipu group, registry empty at first", SyncPolicy::kGroup, Registry::kEmpty,
                           settings.events, kBatch));
  rows.push_back(khipu_run(settings, "khipu always, registry empty at first", SyncPolicy::kAlways, Registry::kEmpty,
                           settings.always, 1));
  bench::Figures figures("ingest", settings.json);
  for (const Measured& row : rows) {
    figures.row(row.name)
        .add("events_per_s", row.rate())
        .add("disk_bytes_per_event", static_cast<double>(row.disk_bytes) / static_cast<double>(row.events));
  }
  const auto ratio = [&](const char* name, size_t over, size_t under) {
    figures.row(name).add("ratio", rows[over].rate() / rows[under].rate());
  };
  ratio("khipu group / bare append", 2, 0);
  ratio("khipu group / bare append + SHA-256 tree", 2, 1);
  ratio("khipu group / sqlite", 2, 3);
  ratio("khipu group / sqlite tuned", 2, 4);
  ratio("khipu group, registry empty at first / sqlite", 7, 3);
  ratio("khipu always / bare append, 1 a sync", 6, 5);
  ratio("khipu always, registry empty at first / bare append, 1 a sync", 8, 5);
  figures.print();
  std::filesystem::remove_all(settings.dir);
  return 0;
}
