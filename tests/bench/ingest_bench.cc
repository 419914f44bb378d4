// Durable ingest through the engine API beside SQLite and the bare disk, in one run. Prints a table, or JSON with
// --json. Usage: bench_ingest [--events N] [--sqlite-events N] [--always N] [--dir DIR] [--json]
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>

#include "engine/crypto/hash.h"
#include "engine/tree/tree.h"
#include "engine/writer/writer.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using Steady = std::chrono::steady_clock;
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

double seconds(const std::function<void()>& work) {
  const auto start = Steady::now();
  work();
  return std::chrono::duration<double>(Steady::now() - start).count();
}

uint64_t folder_bytes(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

// A window of submissions in flight, so that batches are built on while the disk works.
class InFlight {
 public:
  void start() {
    std::unique_lock hold(mutex_);
    moved_.wait(hold, [&] { return count_ < 32; });
    ++count_;
  }
  void finish(const Result<writer::Receipt>& receipt) {
    if (!receipt.ok()) die(receipt.error().message);
    if (!receipt->durable) die("an answer that is not durable");
    const std::lock_guard hold(mutex_);
    --count_;
    moved_.notify_all();
  }
  void drain() {
    std::unique_lock hold(mutex_);
    moved_.wait(hold, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  int count_ = 0;
};

enum class Registry { kEmpty, kKnown };

// Every entity once, before anything is timed: a log that has run for a while knows who it is told about.
void introduce(writer::Writer& writer, InFlight& in_flight) {
  bench::Generator generator(2);
  for (uint64_t done = 0; done < bench::Generator::kTargets; done += kBatch) {
    ingest::Batch batch;
    for (uint64_t i = done; i < done + kBatch; ++i) bench::append(batch, generator.introduction(i));
    in_flight.start();
    writer.submit(std::move(batch), [&](const Result<writer::Receipt>& receipt) { in_flight.finish(receipt); });
  }
  in_flight.drain();
}

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
  InFlight in_flight;
  if (registry == Registry::kKnown) introduce(*writer, in_flight);
  options.sync = policy;
  writer->reconfigure(options);
  const uint64_t before_bytes = folder_bytes(path);
  bench::Generator generator(1);
  std::vector<ingest::Batch> batches((events + batch_size - 1) / batch_size);
  for (uint64_t i = 0; i < events; ++i) bench::append(batches[i / batch_size], generator.next());
  Measured row{name, events, 0, 0};
  row.seconds = seconds([&] {
    for (ingest::Batch& batch : batches) {
      if (policy == writer::SyncPolicy::kAlways) {
        must(writer->submit_and_wait(std::move(batch)));
        continue;
      }
      in_flight.start();
      writer->submit(std::move(batch), [&](const Result<writer::Receipt>& receipt) { in_flight.finish(receipt); });
    }
    in_flight.drain();
  });
  must(writer->close());
  row.disk_bytes = folder_bytes(path) - before_bytes;
  return row;
}

// The floor: the same payload bytes appended and synced, with and without the hashes of a tamper-evident log.
Measured bare_run(const Settings& settings, const std::string& name, uint64_t events, size_t batch_size, bool hashed) {
  const std::string path = settings.dir + "/" + name;
  const std::string record(400, 'x');
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  Measured row{name, events, 0, 0};
  row.seconds = seconds([&] {
    std::string buffer;
    tree::Builder builder;
    for (uint64_t i = 0; i < events; ++i) {
      buffer += record;
      if (hashed) builder.append(tree::leaf_hash(as_bytes(record)));
      if ((i + 1) % batch_size != 0 && i + 1 != events) continue;
      if (write(file, buffer.data(), buffer.size()) < 0 || fdatasync(file) != 0) die("bare append failed");
      buffer.clear();
    }
  });
  close(file);
  row.disk_bytes = std::filesystem::file_size(path);
  return row;
}

Measured sqlite_run(const Settings& settings, const std::string& name, bool tuned) {
  const std::string path = settings.dir + "/" + name + ".db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  sqlite3* db = nullptr;
  const auto run = [&](const std::string& sql) {
    if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) die(sqlite3_errmsg(db));
  };
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK) die("sqlite3_open");
  run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
  if (tuned) run("PRAGMA wal_autocheckpoint=65536;");  // 256 MB of 4 KiB pages
  run("CREATE TABLE events(seq INTEGER PRIMARY KEY, time INTEGER, actor TEXT, target TEXT, action TEXT, url TEXT, "
      "content TEXT, hash BLOB);"
      "CREATE INDEX by_actor ON events(actor); CREATE INDEX by_target ON events(target); CREATE INDEX by_time ON "
      "events(time);");
  std::vector<bench::PlainEvent> events;
  bench::Generator generator(1);
  for (uint64_t i = 0; i < settings.sqlite_events; ++i) events.push_back(generator.next());
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO events(time,actor,target,action,url,content) VALUES(?,?,?,?,?,?)", -1, &insert,
                     nullptr);
  Measured row{name, events.size(), 0, 0};
  row.seconds = seconds([&] {
    for (size_t i = 0; i < events.size(); ++i) {
      if (i % kBatch == 0) run("BEGIN");
      const bench::PlainEvent& event = events[i];
      sqlite3_bind_int64(insert, 1, event.occurred_at);
      const std::string* texts[] = {&event.actor, &event.target, &event.action, &event.url, &event.content};
      for (int column = 0; column < 5; ++column) {
        sqlite3_bind_text(insert, column + 2, texts[column]->data(), static_cast<int>(texts[column]->size()),
                          SQLITE_STATIC);
      }
      if (sqlite3_step(insert) != SQLITE_DONE) die(sqlite3_errmsg(db));
      sqlite3_reset(insert);
      if ((i + 1) % kBatch == 0 || i + 1 == events.size()) run("COMMIT");
    }
  });
  sqlite3_finalize(insert);
  sqlite3_close(db);
  row.disk_bytes = std::filesystem::file_size(path);
  return row;
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
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  if (settings.json) {
    std::printf("{\"schema\":\"khipu.bench.ingest/v1\",\"peak_rss_kib\":%ld,\"rows\":[", usage.ru_maxrss);
    for (const Measured& row : rows) {
      std::printf("%s{\"name\":\"%s\",\"events\":%llu,\"seconds\":%.3f,\"events_per_s\":%.0f,\"bytes_per_event\":%.1f}",
                  &row == &rows.front() ? "" : ",", row.name.c_str(), static_cast<unsigned long long>(row.events),
                  row.seconds, row.rate(), static_cast<double>(row.disk_bytes) / static_cast<double>(row.events));
    }
    std::puts("]}");
    return 0;
  }
  for (const Measured& row : rows) {
    std::printf("%-44s %9llu events %8.2f s %10.0f events/s %7.1f bytes/event\n", row.name.c_str(),
                static_cast<unsigned long long>(row.events), row.seconds, row.rate(),
                static_cast<double>(row.disk_bytes) / static_cast<double>(row.events));
  }
  std::printf(
      "ratios: khipu group / sqlite %.1f, / sqlite tuned %.1f, / bare append %.2f, / bare append + SHA-256 %.2f; "
      "khipu always / bare %.2f; registry empty at first: group / sqlite %.1f, always / bare %.2f; peak resident %ld "
      "MiB (all events are made beforehand)\n",
      rows[2].rate() / rows[3].rate(), rows[2].rate() / rows[4].rate(), rows[2].rate() / rows[0].rate(),
      rows[2].rate() / rows[1].rate(), rows[6].rate() / rows[5].rate(), rows[7].rate() / rows[3].rate(),
      rows[8].rate() / rows[5].rate(), usage.ru_maxrss / 1024);
  std::filesystem::remove_all(settings.dir);
  return 0;
}
