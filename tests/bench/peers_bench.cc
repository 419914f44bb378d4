// Durable ingest beside RocksDB and PostgreSQL, each where its library was found: the same events, the same three
// indexes (actor, target, time), 1,000 events a synced batch. One run, so that the ratios mean something.
// Usage: bench_peers [--events N] [--dir DIR] [--postgres CONNINFO]   (tests/bench/peers.sh starts a server for it)
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#ifdef KHIPU_BENCH_ROCKSDB
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>
#endif
#ifdef KHIPU_BENCH_POSTGRES
#include <libpq-fe.h>
#endif

#include "engine/writer/writer.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using Steady = std::chrono::steady_clock;
using Events = std::vector<bench::PlainEvent>;
constexpr size_t kBatch = 1000;

using bench::die;
using bench::must;

double rate(uint64_t events, const std::function<void()>& work) {
  const auto start = Steady::now();
  work();
  return static_cast<double>(events) / std::chrono::duration<double>(Steady::now() - start).count();
}

double khipu_rate(const Events& events, const std::string& path) {
  std::filesystem::create_directories(path);
  auto root = must(os::create_directory(path + "/root", 0750));
  auto keys = must(os::create_directory(path + "/root.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/audit"}));
  auto writer = must(writer::Writer::open(environment, {}));
  std::vector<ingest::Batch> batches((events.size() + kBatch - 1) / kBatch);
  for (size_t i = 0; i < events.size(); ++i) bench::append(batches[i / kBatch], events[i]);
  std::mutex mutex;
  std::condition_variable moved;
  size_t open = 0;
  const double measured = rate(events.size(), [&] {
    for (ingest::Batch& batch : batches) {
      std::unique_lock hold(mutex);
      moved.wait(hold, [&] { return open < 32; });
      ++open;
      hold.unlock();
      writer->submit(std::move(batch), [&](const Result<writer::Receipt>& receipt) {
        if (!receipt.ok() || !receipt->durable) die("an answer that is not durable");
        const std::lock_guard answered(mutex);
        --open;
        moved.notify_all();
      });
    }
    std::unique_lock hold(mutex);
    moved.wait(hold, [&] { return open == 0; });
  });
  must(writer->close());
  return measured;
}

#ifdef KHIPU_BENCH_ROCKSDB
void put_number(std::string& key, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift & 0xff));
}

double rocksdb_rate(const Events& events, const std::string& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, path, &opened).ok()) die("rocksdb: open");
  const std::unique_ptr<rocksdb::DB> db(opened);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return rate(events.size(), [&] {
    rocksdb::WriteBatch batch;
    std::string key, value;
    for (size_t i = 0; i < events.size(); ++i) {
      const bench::PlainEvent& event = events[i];
      value = event.actor + '\0' + event.target + '\0' + event.action + '\0' + event.url + '\0' + event.content;
      key = "e";
      put_number(key, i);
      batch.Put(key, value);
      for (const auto& [index, term] : {std::pair<char, const std::string*>{'a', &event.actor}, {'t', &event.target}}) {
        key = index + *term + '\0';
        put_number(key, i);
        batch.Put(key, "");
      }
      key = "o";
      put_number(key, static_cast<uint64_t>(event.occurred_at));
      put_number(key, i);
      batch.Put(key, "");
      if ((i + 1) % kBatch != 0 && i + 1 != events.size()) continue;
      if (!db->Write(synced, &batch).ok()) die("rocksdb: write");
      batch.Clear();
    }
  });
}
#endif

#ifdef KHIPU_BENCH_POSTGRES
class Postgres {
 public:
  explicit Postgres(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(connection_) != CONNECTION_OK) die(std::string("postgres: ") + PQerrorMessage(connection_));
  }
  ~Postgres() { PQfinish(connection_); }
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  void run(const char* sql, ExecStatusType expected = PGRES_COMMAND_OK) {
    PGresult* result = PQexec(connection_, sql);
    if (PQresultStatus(result) != expected) die(std::string("postgres: ") + PQerrorMessage(connection_));
    PQclear(result);
  }
  // One COPY is one transaction.
  void copy(const std::string& lines) {
    run("COPY events(time,actor,target,action,url,content) FROM STDIN", PGRES_COPY_IN);
    if (PQputCopyData(connection_, lines.data(), static_cast<int>(lines.size())) != 1 ||
        PQputCopyEnd(connection_, nullptr) != 1) {
      die(std::string("postgres: ") + PQerrorMessage(connection_));
    }
    while (PGresult* result = PQgetResult(connection_)) {
      if (PQresultStatus(result) != PGRES_COMMAND_OK) die(std::string("postgres: ") + PQerrorMessage(connection_));
      PQclear(result);
    }
  }

 private:
  PGconn* connection_;
};

double postgres_rate(const Events& events, const std::string& conninfo) {
  Postgres server(conninfo);
  server.run("DROP TABLE IF EXISTS events");
  server.run(
      "CREATE TABLE events(seq BIGSERIAL PRIMARY KEY, time BIGINT, actor TEXT, target TEXT, action TEXT, url TEXT, "
      "content TEXT)");
  server.run("CREATE INDEX ON events(actor)");
  server.run("CREATE INDEX ON events(target)");
  server.run("CREATE INDEX ON events(time)");
  std::vector<std::string> batches;  // made beforehand, as for the others
  for (size_t i = 0; i < events.size(); ++i) {
    if (i % kBatch == 0) batches.emplace_back();
    const bench::PlainEvent& event = events[i];
    batches.back() += std::to_string(event.occurred_at) + '\t' + event.actor + '\t' + event.target + '\t' +
                      event.action + '\t' + event.url + '\t' + event.content + '\n';
  }
  const double measured = rate(events.size(), [&] {
    for (const std::string& batch : batches) server.copy(batch);
  });
  server.run("DROP TABLE events");
  return measured;
}
#endif

}  // namespace

int main(int count, char** words) {
  uint64_t wanted = 1000000;
  std::string directory = "/tmp/khipu-bench-peers", postgres;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (i + 1 == count) die(word + ": unknown, or without a value (--events N, --dir DIR, --postgres CONNINFO)");
    const char* const value = words[++i];
    if (word == "--events") {
      wanted = std::strtoull(value, nullptr, 10);
    } else if (word == "--dir") {
      directory = value;
    } else if (word == "--postgres") {
      postgres = value;
    } else {
      die(word + ": unknown (--events N, --dir DIR, --postgres CONNINFO)");
    }
  }
  if (std::filesystem::exists(directory)) die(directory + " is there already; it would be removed at the end");
  std::filesystem::create_directories(directory);
  bench::Generator generator(1);
  Events events;
  for (uint64_t i = 0; i < wanted; ++i) events.push_back(generator.next());
  const double khipu = khipu_rate(events, directory + "/khipu");
  const auto print = [&](const char* name, double measured) {
    std::printf("%-44s %10.0f events/s   khipu is %.1f times as fast\n", name, measured, khipu / measured);
  };
  std::printf("%-44s %10.0f events/s\n", "khipu, group commit, registry empty at first", khipu);
#ifdef KHIPU_BENCH_ROCKSDB
  print("rocksdb, synced batches of 1000, 3 indexes", rocksdb_rate(events, directory + "/rocksdb"));
#else
  std::puts("rocksdb: not built in (librocksdb-dev)");
#endif
#ifdef KHIPU_BENCH_POSTGRES
  if (postgres.empty()) {
    std::puts("postgres: no --postgres CONNINFO; tests/bench/peers.sh gives one");
  } else {
    print("postgres COPY, 1000 a transaction, 3 indexes", postgres_rate(events, postgres));
  }
#else
  std::puts("postgres: not built in (libpq-dev)");
#endif
  (void)print;
  std::filesystem::remove_all(directory);
  return 0;
}
