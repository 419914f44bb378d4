// The floor and the peers that need no server, on the events of the generator: the bare disk, and SQLite where it is
// there. And what keeps khipu's writer busy: submissions in flight. Each function says how many seconds it took; what
// it stores stays where it is told to put it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#ifdef KHIPU_BENCH_SQLITE
#include <sqlite3.h>
#endif

#include "engine/tree/tree.h"
#include "engine/writer/writer.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace khipu::bench {

inline double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline uint64_t folder_bytes(const std::string& path) {
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

inline void submit(writer::Writer& writer, InFlight& in_flight, ingest::Batch batch) {
  in_flight.start();
  writer.submit(std::move(batch), [&](const Result<writer::Receipt>& receipt) { in_flight.finish(receipt); });
}

// Every entity once, before anything is timed: a log that has run for a while knows who it is told about.
inline void introduce(writer::Writer& writer, size_t batch_size) {
  InFlight in_flight;
  Generator generator(2);
  for (uint64_t done = 0; done < Generator::kTargets; done += batch_size) {
    ingest::Batch batch;
    for (uint64_t i = done; i < done + batch_size; ++i) append(batch, generator.introduction(i));
    submit(writer, in_flight, std::move(batch));
  }
  in_flight.drain();
}

// 400 bytes an event appended and synced, with and without the hashes of a tamper-evident log, on one thread.
class Bare {
 public:
  explicit Bare(const std::string& path) : file_(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)) {
    if (file_ < 0) die("bare append: no file");
  }
  ~Bare() { close(file_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void append(uint64_t events, size_t batch_size, bool hashed) {
    std::string buffer;
    for (uint64_t i = 0; i < events; ++i) {
      buffer += record_;
      if (hashed) builder_.append(tree::leaf_hash(as_bytes(record_)));
      if ((i + 1) % batch_size != 0 && i + 1 != events) continue;
      if (write(file_, buffer.data(), buffer.size()) < 0 || fdatasync(file_) != 0) die("bare append failed");
      buffer.clear();
    }
  }

 private:
  const int file_;
  const std::string record_ = std::string(400, 'x');
  tree::Builder builder_;
};

#ifdef KHIPU_BENCH_SQLITE
// WAL, FULL, the same three indexes. Tuned: a checkpoint every 256 MB.
inline double sqlite(const std::string& path, const std::vector<PlainEvent>& events, size_t batch_size, bool tuned) {
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
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO events(time,actor,target,action,url,content) VALUES(?,?,?,?,?,?)", -1, &insert,
                     nullptr);
  const double seconds = seconds_of([&] {
    for (size_t i = 0; i < events.size(); ++i) {
      if (i % batch_size == 0) run("BEGIN");
      const PlainEvent& event = events[i];
      sqlite3_bind_int64(insert, 1, event.occurred_at);
      const std::string* texts[] = {&event.actor, &event.target, &event.action, &event.url, &event.content};
      for (int column = 0; column < 5; ++column) {
        sqlite3_bind_text(insert, column + 2, texts[column]->data(), static_cast<int>(texts[column]->size()),
                          SQLITE_STATIC);
      }
      if (sqlite3_step(insert) != SQLITE_DONE) die(sqlite3_errmsg(db));
      sqlite3_reset(insert);
      if ((i + 1) % batch_size == 0 || i + 1 == events.size()) run("COMMIT");
    }
  });
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return seconds;
}
#endif

}  // namespace khipu::bench
