// The writer end to end on a real directory: what is acknowledged is there, pinned, once.
#include "engine/writer/writer.h"

#include <filesystem>
#include <mutex>
#include <thread>

#include "engine/snapshot/store.h"
#include "engine/writer/idempotency.h"
#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_directory.h"

using namespace khipu;

namespace {

// A root and its keys in a temporary folder, opened and closed at will.
struct Root {
  Root() {
    root = os::create_directory(temp.path() + "/root", 0750).value();
    keys = os::create_directory(temp.path() + "/root.keys", 0700).value();
    const Result<void> made = writer::initialize(environment(), {"example.org/audit"});
    INFO((made.ok() ? "" : made.error().message));
    REQUIRE(made.ok());
  }
  writer::Environment environment() { return {*root, *keys, *clock, os::system_random()}; }
  std::unique_ptr<writer::Writer> open(writer::Options options = {}) {
    Result<std::unique_ptr<writer::Writer>> opened = writer::Writer::open(environment(), std::move(options));
    INFO((opened.ok() ? "" : opened.error().message));
    REQUIRE(opened.ok());
    return std::move(opened).value();
  }
  std::shared_ptr<const snapshot::Snapshot> snapshot() {
    if (!store) store = snapshot::Store::open(os::open_directory(temp.path() + "/root").value()).value();
    auto snapshot = store->snapshot();
    INFO((snapshot.ok() ? "" : snapshot.error().message));
    REQUIRE(snapshot.ok());
    return snapshot.value();
  }
  khipu::tests::TempDirectory temp;
  os::Clock* clock = &os::system_clock();
  std::unique_ptr<os::Directory> root, keys;
  std::unique_ptr<snapshot::Store> store;
};

ingest::Batch event(std::string_view actor, std::string_view name, std::string_view action,
                    std::string_view target = {}) {
  ingest::Batch batch;
  ingest::Event event;
  event.actor.type = "user";
  event.actor.id = batch.keep(actor);
  if (!name.empty()) {
    const ingest::FieldInput field{"name", false, codec::Value::of_text(batch.keep(name))};
    event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(&field, 1));
  }
  event.action = batch.keep(action);
  if (!target.empty()) {
    ingest::EntityInput input;
    input.type = "resource";
    input.id = batch.keep(target);
    event.targets = batch.keep(std::span<const ingest::EntityInput>(&input, 1));
  }
  batch.events.push_back(event);
  return batch;
}

codec::EventRecord shown(const snapshot::Snapshot& snapshot, uint64_t seq, Buffer& keep) {
  Result<snapshot::CheckedRecord> record = snapshot.record(TableId::kLogs, {seq});
  REQUIRE(record.ok());
  INFO(record->finding);
  REQUIRE(record->intact);
  keep = record->payload;
  codec::EventRecord event;
  REQUIRE(codec::decode_event(keep, event).ok());
  return event;
}

}  // namespace

TEST_CASE("writer: an acknowledged event is visible, checked to the signed root, with its pins") {
  Root root;
  auto writer = root.open();
  const Result<writer::Receipt> receipt = writer->submit_and_wait(event("u-1", "alice", "PUT", "acct-9"));
  INFO((receipt.ok() ? "" : receipt.error().message));
  REQUIRE(receipt.ok());
  CHECK(receipt->first_seq == Row{0});
  CHECK(receipt->durable);
  const auto snapshot = root.snapshot();
  REQUIRE(snapshot->size(TableId::kLogs) == 1);
  REQUIRE(snapshot->size(TableId::kRegistry) == 2);
  Buffer keep;
  const codec::EventRecord record = shown(*snapshot, 0, keep);
  CHECK(record.action == "PUT");
  REQUIRE(record.targets.size() == 1);
  CHECK(record.targets[0].version.value < snapshot->size(TableId::kRegistry));  // I7
}

TEST_CASE("writer: a reopened writer goes on where it stopped and identical fields make no version") {
  Root root;
  for (int life = 0; life < 4; ++life) {
    auto writer = root.open();
    REQUIRE(writer->submit_and_wait(event("u-1", "alice", "PUT", "acct-9")).ok());
    REQUIRE(writer->close().ok());
  }
  CHECK(root.snapshot()->size(TableId::kLogs) == 4);
  CHECK(root.snapshot()->size(TableId::kRegistry) == 2);
}

TEST_CASE("writer: segments seal and every row stays readable across them") {
  Root root;
  writer::Options options;
  options.sync = writer::SyncPolicy::kAlways;
  options.segment_size_bytes = 4096;
  for (int life = 0; life < 2; ++life) {
    auto writer = root.open(options);
    for (int i = 0; i < 100; ++i) {
      REQUIRE(writer->submit_and_wait(event("u-" + std::to_string(i % 7), "name" + std::to_string(i), "PUT")).ok());
    }
  }
  const auto snapshot = root.snapshot();
  CHECK(snapshot->segments(TableId::kLogs).size() > 5);
  REQUIRE(snapshot->size(TableId::kLogs) == 200);
  Buffer keep;
  for (uint64_t seq = 0; seq < 200; ++seq) CHECK(shown(*snapshot, seq, keep).action == "PUT");
  uint64_t next = 200;
  REQUIRE(snapshot
              ->scan(TableId::kLogs, {0}, {200}, snapshot::Order::kDescending,
                     [&](const snapshot::ScannedRow& row) {
                       CHECK(row.row.value == --next);
                       return row.fault == codec::FrameFault::kNone;
                     })
              .ok());
  CHECK(next == 0);
}

TEST_CASE("writer: a refused batch leaves no trace") {
  Root root;
  auto writer = root.open();
  ingest::Batch batch = event("u-1", "alice", "PUT");
  ingest::Batch missing = event("u-2", "", "PUT", "x");
  missing.events[0].actor.deleted = true;  // never registered
  const Result<writer::Receipt> refused = writer->submit_and_wait(std::move(missing));
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Code::kInvalid);
  REQUIRE(writer->submit_and_wait(std::move(batch)).ok());
  CHECK(root.snapshot()->size(TableId::kLogs) == 1);
  CHECK(root.snapshot()->size(TableId::kRegistry) == 1);
}

TEST_CASE("writer: an idempotency key answers once, also after a restart, and another body is a conflict") {
  Root root;
  const auto keyed = [](uint8_t body) {
    ingest::Batch batch = event("u-1", "alice", "PUT");
    ingest::IdempotencyKey key;
    key.scope = "tests";
    key.key = "k-1";
    key.body[0] = body;
    batch.key = key;
    return batch;
  };
  for (int life = 0; life < 3; ++life) {
    auto writer = root.open();
    const Result<writer::Receipt> receipt = writer->submit_and_wait(keyed(1));
    REQUIRE(receipt.ok());
    CHECK(receipt->first_seq == Row{0});
    CHECK(receipt->duplicate == (life > 0));
    const Result<writer::Receipt> other = writer->submit_and_wait(keyed(2));
    REQUIRE(!other.ok());
    CHECK(other.error().code == Code::kConflict);
  }
  CHECK(root.snapshot()->size(TableId::kLogs) == 1);
}

TEST_CASE("writer: the key of a batch of statements alone answers once, and is no key of other bytes") {
  Root root;
  auto writer = root.open();
  const auto keyed = [](uint8_t body) {
    codec::Import import;
    import.source = "in";
    import.format = "jsonl";
    import.to = import.read = import.parked = 2;
    ingest::Batch batch;
    batch.statements.emplace_back(import);
    batch.key = ingest::IdempotencyKey{"tests", "k-1", Hash{body}};
    return batch;
  };
  REQUIRE(writer->submit_and_wait(keyed(1)).ok());
  const uint64_t rows = root.snapshot()->size(TableId::kMeta);
  const Result<writer::Receipt> again = writer->submit_and_wait(keyed(1));
  REQUIRE(again.ok());
  CHECK(again->duplicate);
  CHECK(again->count == 0);
  CHECK(root.snapshot()->size(TableId::kMeta) == rows);
  CHECK(writer->submit_and_wait(keyed(2)).error().code == Code::kConflict);
  REQUIRE(writer->close().ok());
  writer.reset();
  writer = root.open();
  CHECK(writer->submit_and_wait(keyed(1)).value().duplicate);
  CHECK(writer->submit_and_wait(keyed(2)).error().code == Code::kConflict);
}

TEST_CASE(
    "writer: a published checkpoint covers the keys before it, and a start keeps no more of them than the window") {
  Root root;
  const auto keyed = [](int number) {
    ingest::Batch batch = event("u-1", "alice", "PUT");
    batch.key = ingest::IdempotencyKey{"tests", "k-" + std::to_string(number), Hash{1}};
    return batch;
  };
  auto writer = root.open();
  for (int number = 0; number < 10; ++number) REQUIRE(writer->submit_and_wait(keyed(number)).ok());
  REQUIRE(writer->publish().ok());
  const auto loaded = writer::IdempotencyLog::load(*root.root);
  REQUIRE(loaded.ok());
  CHECK(loaded->covered_rows == 10);
  REQUIRE(writer->close().ok());
  writer::Options options;
  options.idempotency_keys_max = 3;
  writer = root.open(options);
  CHECK(writer::IdempotencyLog::load(*root.root).value().entries.size() == 3);
  CHECK(writer->submit_and_wait(keyed(9)).value().duplicate);
  CHECK_FALSE(writer->submit_and_wait(keyed(6)).value().duplicate);
}

TEST_CASE("writer: a receipt of events that were there before names the commit that holds them") {
  Root root;
  const auto keyed = [](const std::string& name) {
    ingest::Batch batch = event("u-1", "alice", "PUT");
    ingest::IdempotencyKey key;
    key.scope = "source";
    key.key = name;
    batch.event_keys = {key};
    return batch;
  };
  for (int life = 0; life < 2; ++life) {
    auto writer = root.open();
    static CommitNumber first, second;
    const auto one = writer->submit_and_wait(keyed("e-1"));
    REQUIRE(one.ok());
    if (life == 0) first = one->commit;
    const auto two = writer->submit_and_wait(keyed("e-2"));
    REQUIRE(two.ok());
    if (life == 0) second = two->commit;
    CHECK(first < second);
    for (const auto& [name, commit] : {std::pair("e-1", first), std::pair("e-2", second)}) {
      const auto again = writer->submit_and_wait(keyed(name));
      REQUIRE(again.ok());
      CHECK(again->duplicate);
      CHECK(again->commit == commit);
    }
  }
}

TEST_CASE("writer: a second writer is locked out at once, naming the first") {
  Root root;
  auto writer = root.open();
  const auto second = writer::Writer::open(root.environment(), {});
  REQUIRE(!second.ok());
  CHECK(second.error().code == Code::kLocked);
  CHECK(second.error().message.find("serve") != std::string::npos);
}

TEST_CASE("writer: a copy of a root is not opened while the original is written with the same keys") {
  Root root;
  auto writer = root.open();
  REQUIRE(writer->submit_and_wait(event("u-1", "alice", "PUT")).ok());
  const khipu::tests::TempDirectory copy;
  std::filesystem::copy(root.temp / "root", copy / "root", std::filesystem::copy_options::recursive);
  const auto folder = os::open_directory(copy / "root").value();
  const writer::Environment environment{*folder, *root.keys, os::system_clock(), os::system_random()};
  const auto second = writer::Writer::open(environment, {});
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == Code::kLocked);
  CHECK(second.error().message.find("another process signs with these keys") != std::string::npos);
  // The original goes on, and the copy is behind what was signed.
  REQUIRE(writer->submit_and_wait(event("u-2", "bob", "PUT")).ok());
  REQUIRE(writer->close().ok());
  const auto third = writer::Writer::open(environment, {});
  REQUIRE_FALSE(third.ok());
  CHECK(third.error().message.find("--accept-rollback") != std::string::npos);
}

TEST_CASE(
    "writer: callers that commit for themselves, queued ones and a changing policy keep one order, nothing twice") {
  constexpr int kThreads = 4, kEach = 60;
  Root root;
  writer::Options options;
  options.sync = writer::SyncPolicy::kAlways;
  options.segment_size_bytes = 16384;  // seals on the way
  std::vector<uint64_t> seqs;
  std::mutex mutex;
  {
    auto writer = root.open(options);
    std::vector<std::thread> threads;
    const auto note = [&](const Result<writer::Receipt>& receipt) {
      const std::lock_guard hold(mutex);
      seqs.push_back(receipt.ok() ? receipt->first_seq.value : UINT64_MAX);
    };
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kEach; ++i) {
          ingest::Batch batch = event("u-" + std::to_string(i % 5), "name " + std::to_string(i / 9), "PUT");
          if (thread == 0) {
            writer->submit(std::move(batch), note);
          } else {
            note(writer->submit_and_wait(std::move(batch)));
          }
          if (thread == 1 && i % 20 == 10) {
            writer::Options changed = options;
            changed.sync = i == 10 ? writer::SyncPolicy::kOs : writer::SyncPolicy::kAlways;
            writer->reconfigure(changed);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(writer->close().ok());
  }
  std::sort(seqs.begin(), seqs.end());
  REQUIRE(seqs.size() == kThreads * kEach);
  for (size_t i = 0; i < seqs.size(); ++i) CHECK(seqs[i] == i);
  CHECK(root.snapshot()->size(TableId::kLogs) == seqs.size());
  Buffer keep;
  for (uint64_t seq = 0; seq < seqs.size(); ++seq) CHECK(shown(*root.snapshot(), seq, keep).action == "PUT");
}

TEST_CASE("writer: a lone event under group commit is answered when its interval is over, with no further append") {
  Root root;
  writer::Options options;
  options.group_events = 1000;
  options.group_interval_us = 2000;
  auto writer = root.open(options);
  const Result<writer::Receipt> receipt = writer->submit_and_wait(event("u-1", "alice", "PUT"));
  REQUIRE(receipt.ok());
  CHECK(receipt->durable);
  CHECK(root.snapshot()->size(TableId::kLogs) == 1);
}

TEST_CASE("writer: a closed writer has let go of the root, also while it still stands") {
  Root root;
  auto first = root.open();
  REQUIRE(first->submit_and_wait(event("u-1", "alice", "PUT")).ok());
  REQUIRE(first->close().ok());
  auto second = root.open();
  CHECK(second->submit_and_wait(event("u-1", "alice", "PUT")).ok());
  const Result<writer::Receipt> late = first->submit_and_wait(event("u-1", "alice", "PUT"));
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code == Code::kPoisoned);
}

TEST_CASE("writer: a statement about keys that contradicts those before it is refused, and the log still opens") {
  Root root;
  const auto key = [](codec::KeyAction action, const char* name, const char* replaces = "") {
    codec::KeyStatement statement;
    statement.action = action;
    statement.name = name;
    statement.replaces = replaces;
    return statement;
  };
  codec::Shred shred;
  shred.scope = "session 1", shred.reference = "r", shred.by = "test";
  const auto rewrap = key(codec::KeyAction::kRewrap, "data-0000000001-2.key", "data-0000000001-1.key");
  auto writer = root.open();
  REQUIRE(writer->append_and_publish(key(codec::KeyAction::kDataKey, "data-0000000001-1.key")).ok());
  REQUIRE(writer->append_and_publish(rewrap).ok());
  const uint64_t statements = root.snapshot()->meta().statements().size();
  const auto refused = [&](const codec::Statement& statement) {
    const auto done = writer->append_and_publish(statement);
    return !done.ok() && done.error().code == Code::kConflict;
  };
  CHECK(refused(rewrap));  // as made from an older HEAD
  CHECK(refused(key(codec::KeyAction::kDataKey, "data-0000000001-1.key")));
  CHECK(refused(key(codec::KeyAction::kRetireRecipient, "auditors/1")));
  shred.files = {"data-0000000001-2.key", "data-0000000009-1.key"};
  CHECK(refused(shred));
  shred.files.pop_back();
  CHECK(writer->append_and_publish(shred).ok());
  CHECK(refused(key(codec::KeyAction::kRewrap, "data-0000000001-3.key", "data-0000000001-2.key")));
  CHECK(writer->append_and_publish(key(codec::KeyAction::kDataKey, "data-0000000002-1.key")).ok());
  CHECK(root.snapshot()->meta().statements().size() >= statements + 2);
  REQUIRE(writer->close().ok());
  writer = root.open();
  CHECK(writer->submit_and_wait(event("u-1", "alice", "PUT")).ok());
}

TEST_CASE("writer: who opens the log without a configuration forgets no key inside the window that was configured") {
  Root root;
  khipu::tests::FakeClock clock(os::system_clock().now());
  root.clock = &clock;
  const auto keyed = [] {
    ingest::Batch batch = event("u-1", "alice", "PUT");
    batch.key = ingest::IdempotencyKey{"tests", "k", Hash{1}};
    return batch;
  };
  constexpr int64_t kDayUs = 86400LL * 1000000;
  writer::Options week, command;
  week.idempotency_window_us = 7 * kDayUs;
  command.keeps_idempotency_bounds = true;
  auto writer = root.open(week);
  REQUIRE(writer->submit_and_wait(keyed()).ok());
  REQUIRE(writer->close().ok());
  clock.advance_us(2 * kDayUs);
  for (int life = 0; life < 2; ++life) {
    writer = root.open(command);
    REQUIRE(writer->submit_and_wait(event("u-2", "bob", "PUT")).ok());
    REQUIRE(writer->close().ok());
  }
  writer = root.open(week);
  CHECK(writer->submit_and_wait(keyed()).value().duplicate);
  // What is configured may also be less: then it holds, and a command does not stretch it for the next writer.
  week.idempotency_window_us = kDayUs;
  writer->reconfigure(week);
  REQUIRE(writer->close().ok());
  writer = root.open(command);
  REQUIRE(writer->close().ok());
  CHECK(writer::IdempotencyLog::load(*root.root, 0).value().bounds.window_us == kDayUs);
}

TEST_CASE("writer: a TYPE statement that adds fields is written as the whole type, made of the type in force") {
  Root root;
  auto writer = root.open();
  for (const char* name : {"team", "desk"}) {  // each knows nothing of the other
    ingest::Batch batch;
    codec::FieldSchema field;
    field.name = name;
    batch.statements.push_back(codec::TypeStatement{{"user", {field}}});
    batch.adds_fields = true;
    REQUIRE(writer->submit_and_wait(std::move(batch)).ok());
  }
  const auto snapshot = root.snapshot();
  std::optional<codec::TypeSchema> last;
  for (uint64_t row = 0; row < snapshot->size(TableId::kMeta); ++row) {
    const Buffer payload = snapshot->record(TableId::kMeta, {row}).value().payload;
    const codec::StatementRecord record = codec::decode_statement(payload).value();
    const auto* type = std::get_if<codec::TypeStatement>(&record.body);
    if (type != nullptr && type->type.name == "user") last = type->type;
  }
  REQUIRE(last);
  std::vector<std::string> names;
  for (const codec::FieldSchema& field : last->fields) names.push_back(field.name);
  CHECK(names == std::vector<std::string>{"name", "email", "role", "team", "desk"});
  // A definition that is given whole is still held to be whole.
  ingest::Batch whole;
  whole.statements.push_back(codec::TypeStatement{{"user", {}}});
  CHECK(writer->submit_and_wait(std::move(whole)).error().code == Code::kConflict);
}
