// Checkpoints: what is published and in which order, and that nothing put back is ever signed over (no
// laundering: engine/FORMAT.md "Checkpoints").
#include <fmt/format.h>

#include "engine/codec/statement.h"
#include "engine/crypto/key_file.h"
#include "engine/segment/reader.h"
#include "engine/tree/checkpoint_log.h"
#include "tests/crash/harness.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

const std::string kOrigin = "example.org/crash";

tree::CheckpointLog log_of(CrashRig& rig, std::string* keep) {
  const Buffer bytes = rig.disk().read("root/checkpoints.log");
  *keep = as_text(bytes);
  return tree::parse_checkpoint_log(*keep, kOrigin);
}

std::vector<codec::Statement> statements_of(CrashRig& rig) {
  std::vector<codec::Statement> statements;
  const auto meta = rig.disk().directory("root")->open_directory("meta").value();
  const auto file = meta->open_file("seg-0000000000.log", os::Mode::kRead).value();
  segment::Reader reader(*file, segment::kHeaderSize, file->size().value());
  for (segment::Step step = reader.next().value(); step.kind == segment::Step::Kind::kFrame;
       step = reader.next().value()) {
    if (!codec::is_row(step.frame.kind)) continue;
    auto record = codec::decode_statement(step.frame.payload);
    REQUIRE(record.ok());
    statements.push_back(std::move(record->body));
  }
  return statements;
}

template <typename Body>
size_t count(const std::vector<codec::Statement>& statements) {
  return static_cast<size_t>(std::count_if(statements.begin(), statements.end(), [](const codec::Statement& statement) {
    return std::holds_alternative<Body>(statement);
  }));
}

std::string refusal(CrashRig& rig) {
  auto opened = rig.open();
  return opened.ok() ? "" : opened.error().message;
}

Result<void> recover(CrashRig& rig) {
  writer::Options options;
  options.accept_rollback = {"restored from a backup", "uid 0"};
  FakeRandom random(9);
  const auto root = rig.disk().directory("root");
  const auto keys = rig.disk().directory("root.keys");
  KHIPU_TRY_ASSIGN(auto writer, writer::Writer::open({*root, *keys, rig.clock(), random}, options));
  return writer->close();
}

// Puts every file under `folder` back to what it was on another disk.
void put_back(CrashRig& rig, FakeDisk& older, const std::string& folder) {
  for (const std::string& path : rig.disk().files()) {
    if (path.starts_with(folder) && older.exists(path)) rig.disk().put(path, older.read(path));
  }
}

TEST_CASE("checkpoint: every publication names tables as a TABLE_HEAD below its meta note does, and is signed") {
  CrashRig rig;
  REQUIRE(rig.life(3).ok());
  auto writer = rig.open();
  REQUIRE(writer.ok());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(rig.submit(**writer, fmt::format("p-{}", i)).ok());
    REQUIRE((*writer)->publish().ok());
  }
  const writer::Status status = (*writer)->status();
  REQUIRE((*writer)->close().ok());
  std::string bytes;
  const tree::CheckpointLog log = log_of(rig, &bytes);
  CHECK(log.fault.empty());
  CHECK(log.publications.size() >= 5);  // init, the first life, three on request
  CHECK(log.publications.size() == status.checkpoint);
  const std::vector<codec::Statement> statements = statements_of(rig);
  const auto keys = rig.disk().directory("root.keys");
  const auto key = crypto::open_key_file(*keys, crypto::kSigningKeyFileName, crypto::KeyKind::kSigning);
  REQUIRE(key.ok());
  const auto signing = crypto::signing_key(*key);
  REQUIRE(signing.ok());
  uint64_t size = 0;
  for (const tree::Publication& publication : log.publications) {
    CHECK(publication.meta().checkpoint.size > size);
    size = publication.meta().checkpoint.size;
    for (const tree::PublishedNote& note : publication.notes) {
      CHECK(tree::verify_note(note.note, {{note.checkpoint.origin, tree::KeyType::kEd25519, signing->public_key()}})
                .accepted());
      const std::string_view table = note.table(kOrigin);
      if (table.empty()) continue;
      bool stated = false;
      for (uint64_t row = 0; row < size; ++row) {
        const auto* head = std::get_if<codec::TableHead>(&statements.at(row));
        stated = stated || (head != nullptr && table == table_name(head->table) && head->size == note.checkpoint.size &&
                            head->root == note.checkpoint.root);
      }
      CHECK(stated);
    }
  }
  CHECK(size == statements.size());
  CHECK(as_text(rig.disk().read("root/checkpoint")) == tree::format_note(log.publications.back().meta().note));
  CHECK(status.checkpoint_note == tree::format_note(log.publications.back().meta().note));
  CHECK(rig.judge() == "");
}

TEST_CASE("checkpoint: opening and closing a log in which nothing moved publishes nothing and commits nothing") {
  CrashRig rig;
  REQUIRE(rig.life(2).ok());
  const Buffer before = rig.disk().read("root/checkpoints.log");
  const Buffer state = rig.disk().read("root.keys/state");
  REQUIRE(rig.life(0).ok());
  CHECK(rig.disk().read("root/checkpoints.log") == before);
  CHECK(rig.disk().read("root.keys/state") == state);
}

TEST_CASE("checkpoint: silence is signed silence, and a stepped clock is stated") {
  CrashRig rig;
  writer::Options options;
  options.checkpoint_interval_us = 1000;
  options.heartbeat_interval_us = 1000;
  FakeRandom random(9);
  const auto root = rig.disk().directory("root");
  const auto keys = rig.disk().directory("root.keys");
  auto writer = writer::Writer::open({*root, *keys, rig.clock(), random}, options);
  REQUIRE(writer.ok());
  rig.clock().set_wall(rig.clock().now() - 86400000000);
  const uint64_t before = (*writer)->status().checkpoint;
  for (int i = 0; i < 1000 && (*writer)->status().checkpoint < before + 3; ++i) REQUIRE((*writer)->publish().ok());
  REQUIRE((*writer)->close().ok());
  const std::vector<codec::Statement> statements = statements_of(rig);
  CHECK(count<codec::Heartbeat>(statements) >= 2);
  REQUIRE(count<codec::Clock>(statements) == 1);
  for (const codec::Statement& statement : statements) {
    if (const auto* clock = std::get_if<codec::Clock>(&statement)) CHECK(clock->step_us == -86400000000);
  }
}

TEST_CASE("checkpoint: the state is replaced before the notes, the notes are synced before `checkpoint`") {
  CrashRig rig;
  auto writer = rig.open();
  REQUIRE(writer.ok());
  REQUIRE(rig.submit(**writer, "a").ok());
  REQUIRE((*writer)->publish().ok());
  rig.disk().clear_log();
  REQUIRE(rig.submit(**writer, "b").ok());
  REQUIRE((*writer)->publish().ok());
  const std::vector<DiskEvent> log = rig.disk().log();
  const auto find = [&](size_t from, DiskOperation operation, std::string_view path, std::string_view to = {}) {
    while (from < log.size() &&
           (log[from].operation != operation || (to.empty() ? log[from].path != path : log[from].to != to)))
      ++from;
    return from;
  };
  const size_t state = find(0, DiskOperation::kRename, "", "state");
  const size_t notes = find(0, DiskOperation::kWrite, "root/checkpoints.log");
  const size_t synced = find(notes, DiskOperation::kSync, "root/checkpoints.log");
  const size_t copy = find(0, DiskOperation::kRename, "", "checkpoint");
  CHECK(state < notes);
  CHECK(notes < synced);
  CHECK(synced < copy);
  CHECK(copy < log.size());
}

TEST_CASE("checkpoint: a writer that cannot replace the state beside its key does not start, and states nothing") {
  CrashRig rig;
  REQUIRE(rig.life(3).ok());
  const uint64_t rows = rig.verify().sizes[index_of(TableId::kMeta)];
  for (int start = 0; start < 5; ++start) {
    rig.disk().fail_when([](const DiskEvent& event) { return event.path == "root.keys/state.new"; }, Code::kNoSpace);
    const auto writer = rig.open();
    REQUIRE_FALSE(writer.ok());
    CHECK(writer.error().code == Code::kNoSpace);
    CHECK_THAT(writer.error().message, ContainsSubstring("state"));
    const verify::Report report = rig.verify();
    CHECK(report.verdict == verify::Verdict::kPass);
    CHECK(report.sizes[index_of(TableId::kMeta)] == rows);
  }
  rig.disk().clear_faults();
  REQUIRE(rig.life(1).ok());
  CHECK(rig.judge() == "");
}

TEST_CASE("checkpoint: a publication that a crash cut anywhere is issued again, byte for byte") {
  CrashRig rig;
  REQUIRE(rig.life(2).ok());
  std::string bytes;
  const tree::CheckpointLog log = log_of(rig, &bytes);
  REQUIRE(log.publications.size() >= 2);
  const uint64_t last = log.publications.back().notes.front().offset;
  for (uint64_t size = last; size < bytes.size(); size += 7) {
    CAPTURE(size);
    CrashRig cut(rig.disk().clone(), 5);
    cut.disk().put("root/checkpoints.log", Buffer(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)));
    REQUIRE(cut.life(0).ok());
    REQUIRE(as_text(cut.disk().read("root/checkpoints.log")) == bytes);
  }
  // Torn in another way: kept in quarantine, named by a RECOVERY statement, and the same bytes in its place.
  CrashRig torn(rig.disk().clone(), 5);
  torn.disk().put("root/checkpoints.log", [&] {
    Buffer changed(bytes.begin(), bytes.end());
    std::fill(changed.begin() + static_cast<ptrdiff_t>(last) + 20, changed.end(), uint8_t{0});
    return changed;
  }());
  REQUIRE(torn.life(0).ok());
  CHECK(as_text(torn.disk().read("root/checkpoints.log")).starts_with(bytes));
  CHECK(count<codec::RecoveryStatement>(statements_of(torn)) == 1);
  CHECK(torn.verify().verdict == verify::Verdict::kPass);
}

TEST_CASE("no laundering: older copies of the root, its parts or the state are refused, and it is said what to do") {
  CrashRig rig;
  REQUIRE(rig.life(4).ok());
  const std::unique_ptr<FakeDisk> older = rig.disk().clone();
  REQUIRE(rig.life(4).ok());
  REQUIRE(rig.life(4).ok());
  const auto refused = [&](const std::string& what, const std::function<void(CrashRig&)>& attack) {
    INFO(what);
    CrashRig attacked(rig.disk().clone(), 5);
    attack(attacked);
    const Buffer state = attacked.disk().exists("root.keys/state") ? attacked.disk().read("root.keys/state") : Buffer();
    const std::string said = refusal(attacked);
    INFO(said);
    CHECK_FALSE(said.empty());
    const Buffer after = attacked.disk().exists("root.keys/state") ? attacked.disk().read("root.keys/state") : Buffer();
    CHECK(state == after);  // nothing was signed
    return said;
  };
  const std::string advice = "--accept-rollback";
  CHECK(refused("the whole root", [&](CrashRig& at) { put_back(at, *older, "root/"); }).find(advice) !=
        std::string::npos);
  refused("meta", [&](CrashRig& at) { put_back(at, *older, "root/meta/"); });
  refused("logs", [&](CrashRig& at) { put_back(at, *older, "root/logs/"); });
  CHECK(refused("checkpoints.log", [&](CrashRig& at) { put_back(at, *older, "root/checkpoints.log"); }).find(advice) !=
        std::string::npos);
  CHECK(refused("checkpoints.log cut to nothing", [&](CrashRig& at) {
          at.disk().put("root/checkpoints.log", {});
        }).find("removed or cut") != std::string::npos);
  CHECK(refused("the key-side state", [&](CrashRig& at) { put_back(at, *older, "root.keys/state"); }).find(advice) !=
        std::string::npos);
  CHECK(refused("no state", [&](CrashRig& at) { at.disk().put("root.keys/state", {}); }).find(advice) !=
        std::string::npos);
  // An older HEAD alone is what a power loss leaves: nothing is lost by it.
  CrashRig head(rig.disk().clone(), 5);
  put_back(head, *older, "root/HEAD");
  CHECK(refusal(head).empty());
}

TEST_CASE("no laundering: an accepted rollback is stated for ever and goes on, there must be one to accept") {
  CrashRig rig;
  REQUIRE(rig.life(4).ok());
  const std::unique_ptr<FakeDisk> older = rig.disk().clone();
  REQUIRE(rig.life(4).ok());
  const auto nothing = recover(rig);
  REQUIRE_FALSE(nothing.ok());
  CHECK(nothing.error().code == Code::kInvalid);
  CrashRig restored(older->clone(), 5);
  restored.disk().put("root.keys/state", rig.disk().read("root.keys/state"));
  REQUIRE_FALSE(refusal(restored).empty());
  const auto done = recover(restored);
  INFO((done.ok() ? "" : done.error().message));
  REQUIRE(done.ok());
  const std::vector<codec::Statement> statements = statements_of(restored);
  REQUIRE(count<codec::Rollback>(statements) == 1);
  for (const codec::Statement& statement : statements) {
    const auto* rollback = std::get_if<codec::Rollback>(&statement);
    if (rollback == nullptr) continue;
    CHECK(rollback->lost_commit.value > 0);
    CHECK(rollback->lost[index_of(TableId::kLogs)].size == 8);
    CHECK(rollback->reason == "restored from a backup");
  }
  CHECK(restored.verify().verdict == verify::Verdict::kPass);
  REQUIRE(restored.life(2).ok());
  std::string bytes;
  const tree::CheckpointLog log = log_of(restored, &bytes);
  CHECK(log.fault.empty());
  CHECK(count<codec::Rollback>(statements_of(restored)) == 1);
  // The state alone is lost: the statement says that nothing is known of what it said.
  CrashRig lost(rig.disk().clone(), 5);
  lost.disk().put("root.keys/state", {});
  REQUIRE(recover(lost).ok());
  REQUIRE(count<codec::Rollback>(statements_of(lost)) == 1);
  CHECK(refusal(lost).empty());
}

TEST_CASE("checkpoint: tree files that do not make what was signed stop the writer before it signs more") {
  CrashRig rig;
  REQUIRE(rig.life(4).ok());
  auto writer = rig.open();
  REQUIRE(writer.ok());
  rig.disk().flip_bit("root/logs/tree/0", 5);
  const Buffer state = rig.disk().read("root.keys/state");
  REQUIRE(rig.submit(**writer, "x").ok());
  const Result<void> published = (*writer)->publish();
  REQUIRE_FALSE(published.ok());
  CHECK(published.error().message.find("nothing more is signed") != std::string::npos);
  CHECK(rig.disk().read("root.keys/state") == state);
  CHECK_FALSE((*writer)->status().poisoned.empty());
}

}  // namespace
}  // namespace khipu::tests
