// A log on a fake disk for the tests of queries: events from short descriptions, restarts, an Engine over it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/query/engine.h"
#include "engine/writer/retainer.h"
#include "engine/writer/writer.h"
#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_disk.h"
#include "tests/support/fake_random.h"

namespace khipu::query::tests {

struct Thing {
  std::string type = "doc";
  std::string id;
  std::map<std::string, std::string> fields = {};  // text fields
  bool deleted = false;
};

struct Spec {
  std::optional<TimeUs> time = {};
  Thing actor = {"user", "u-1", {}, false};
  std::string action = "GET";
  codec::ActionClass action_class = codec::ActionClass::kOther;
  codec::Outcome outcome = codec::Outcome::kSuccess;
  std::vector<Thing> targets = {};
  std::string url = {}, source = {}, session = {};
  std::string text = {};  // content
  std::string json = {};  // content, when text is empty
  std::map<std::string, OwnedValue> custom = {};
};

inline constexpr TimeUs kStart = 1781500027000000;  // 2026-06-15T05:07:07Z, the fake clock's
inline Thing user(std::string id) { return {"user", std::move(id), {}, false}; }
inline Thing doc(std::string id) { return {"doc", std::move(id), {}, false}; }
inline Thing doc(std::string id, std::string name) {
  return {"doc", std::move(id), {{"name", std::move(name)}}, false};
}

class TestLog {
 public:
  // Types user (as khipu init makes it) and doc {name, mail, pages number}; columns tenant (text), cost (number).
  explicit TestLog(uint64_t segment_size_bytes = 32 << 20);
  ~TestLog();

  // One batch, one commit: the seq of its first event.
  Row add(const std::vector<Spec>& specs);
  Row add(const Spec& spec) { return add(std::vector<Spec>{spec}); }
  Error refused(const Spec& spec);  // what the writer says against it
  void restart();                   // writer and readers are closed and opened again
  void wait_until_indexed() { writer_->wait_until_indexed(); }
  // Takes the index files and runs of logs/ and registry/ away; with `damage` they stay, with a bit changed. Those of
  // sealed segments of logs/.
  uint64_t spoil_indexes(bool damage);
  Engine& engine() { return *engine_; }
  snapshot::Store& store() { return *store_; }
  writer::Writer& writer() { return *writer_; }
  // Retention by bytes, carried out to the end; what the log holds afterwards is at most `max_bytes` or what must stay.
  writer::Retainer::Swept purge(uint64_t max_bytes);
  khipu::tests::FakeDisk& disk() { return disk_; }
  khipu::tests::FakeClock& clock() { return clock_; }
  // A second process with another cursor key, or none of its own.
  std::unique_ptr<Engine> other_engine(uint8_t key_byte);

 private:
  void open();
  void open_readers();
  Result<writer::Receipt> submit(const std::vector<Spec>& specs);
  khipu::tests::FakeDisk disk_;
  khipu::tests::FakeClock clock_;
  khipu::tests::FakeRandom random_;
  std::unique_ptr<os::Directory> root_, keys_;
  writer::Options options_;
  std::unique_ptr<writer::Writer> writer_;
  std::unique_ptr<snapshot::Store> store_;
  std::unique_ptr<Engine> engine_;
};

template <typename T>
T good(Answer<T> answer) {
  INFO((answer.ok() ? std::string()
                    : answer.error().code + " " + answer.error().field + ": " + answer.error().hint +
                          (answer.error().cause ? " " + answer.error().cause->message : "")));
  REQUIRE(answer.ok());
  return std::move(answer).value();
}

inline std::vector<uint64_t> seqs(const EventPage& page) {
  std::vector<uint64_t> list;
  for (const EventRow& row : page.rows) list.push_back(row.seq.value);
  return list;
}

}  // namespace khipu::query::tests
