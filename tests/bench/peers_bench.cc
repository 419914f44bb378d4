// Durable ingest beside SQLite, RocksDB and PostgreSQL, each where its library was found, and the bare disk: the same
// events, the same three indexes (actor, target, time), 1,000 events a synced batch. One run, so that the ratios mean
// something; each in a process of its own, whose peak memory stands beside its rate.
// Usage: bench_peers [--events N] [--dir DIR] [--postgres CONNINFO] [--json]   (tests/bench/peers.sh starts a server)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
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

#include "tests/bench/contest.h"
#include "tests/bench/figures.h"

namespace {

using namespace khipu;
using Events = std::vector<bench::PlainEvent>;
constexpr size_t kBatch = 1000;

using bench::die;
using bench::must;
using bench::seconds_of;

// One contestant, in a process of its own.
struct Figure {
  double seconds = 0;
  double rss_kib = 0;  // peak, less what the process began with: the events all of them get
};

Figure in_child(const std::function<double()>& contest) {
  int ends[2];
  if (pipe(ends) != 0) die("pipe");
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    Figure figure;
    figure.seconds = contest();
    getrusage(RUSAGE_SELF, &after);
    figure.rss_kib = static_cast<double>(after.ru_maxrss - before.ru_maxrss);
    if (write(ends[1], &figure, sizeof figure) != sizeof figure) die("pipe");
    std::_Exit(0);
  }
  close(ends[1]);
  Figure figure;
  const bool told = read(ends[0], &figure, sizeof figure) == sizeof figure;
  close(ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0 || !told) die("a contestant failed");
  return figure;
}

double khipu_seconds(const Events& events, const std::string& path, bool known) {
  std::filesystem::create_directories(path);
  auto root = must(os::create_directory(path + "/root", 0750));
  auto keys = must(os::create_directory(path + "/root.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/audit"}));
  auto writer = must(writer::Writer::open(environment, {}));
  if (known) bench::introduce(*writer, kBatch);
  std::vector<ingest::Batch> batches((events.size() + kBatch - 1) / kBatch);
  for (size_t i = 0; i < events.size(); ++i) bench::append(batches[i / kBatch], events[i]);
  const double measured = seconds_of([&] {
    bench::InFlight in_flight;
    for (ingest::Batch& batch : batches) bench::submit(*writer, in_flight, std::move(batch));
    in_flight.drain();
  });
  must(writer->close());
  return measured;
}

#ifdef KHIPU_BENCH_ROCKSDB
void put_number(std::string& key, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift & 0xff));
}

double rocksdb_seconds(const Events& events, const std::string& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, path, &opened).ok()) die("rocksdb: open");
  const std::unique_ptr<rocksdb::DB> db(opened);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return seconds_of([&] {
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

double postgres_seconds(const Events& events, const std::string& conninfo) {
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
  const double measured = seconds_of([&] {
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
  bool json = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--json") {
      json = true;
      continue;
    }
    if (i + 1 == count)
      die(word + ": unknown, or without a value (--events N, --dir DIR, --postgres CONNINFO, --json)");
    const char* const value = words[++i];
    if (word == "--events") {
      wanted = std::strtoull(value, nullptr, 10);
    } else if (word == "--dir") {
      directory = value;
    } else if (word == "--postgres") {
      postgres = value;
    } else {
      die(word + ": unknown (--events N, --dir DIR, --postgres CONNINFO, --json)");
    }
  }
  if (std::filesystem::exists(directory)) die(directory + " is there already; it would be removed at the end");
  std::filesystem::create_directories(directory);
  bench::Figures figures("peers", json);
  bench::Generator generator(1);
  Events events;
  events.reserve(wanted);
  for (uint64_t i = 0; i < wanted; ++i) events.push_back(generator.next());
  double khipu = 0;
  const auto contest = [&](const char* name, const std::function<double()>& run) {
    const Figure figure = in_child(run);
    if (khipu == 0) khipu = figure.seconds;
    figures.row(name)
        .add("events_per_s", static_cast<double>(wanted) / figure.seconds)
        .add("khipu_is_times", figure.seconds / khipu)
        .add("rss_kib", figure.rss_kib);
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
  };
  const std::string path = directory + "/peer";
  contest("khipu, group commit, entities known", [&] { return khipu_seconds(events, path, true); });
  contest("khipu, group commit, registry empty at first", [&] { return khipu_seconds(events, path, false); });
  contest("bare append + SHA-256 tree + fdatasync", [&] {
    bench::Bare bare(path);
    return bench::seconds_of([&] { bare.append(wanted, kBatch, true); });
  });
#ifdef KHIPU_BENCH_SQLITE
  contest("sqlite WAL FULL, 1000 a transaction, 3 indexes", [&] { return bench::sqlite(path, events, kBatch, false); });
  contest("sqlite tuned, checkpoint every 256 MB", [&] { return bench::sqlite(path, events, kBatch, true); });
#else
  std::fputs("sqlite: not built in (libsqlite3-dev)\n", stderr);
#endif
#ifdef KHIPU_BENCH_ROCKSDB
  contest("rocksdb, synced batches of 1000, 3 indexes", [&] { return rocksdb_seconds(events, path); });
#else
  std::fputs("rocksdb: not built in (librocksdb-dev)\n", stderr);
#endif
#ifdef KHIPU_BENCH_POSTGRES
  if (postgres.empty()) {
    std::fputs("postgres: no --postgres CONNINFO; tests/bench/peers.sh gives one\n", stderr);
  } else {
    contest("postgres COPY, 1000 a transaction, 3 indexes", [&] { return postgres_seconds(events, postgres); });
  }
#else
  std::fputs("postgres: not built in (libpq-dev)\n", stderr);
#endif
  figures.print();
  std::filesystem::remove_all(directory);
  return 0;
}
