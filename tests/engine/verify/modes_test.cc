// The modes of a verification: since a state the auditor keeps, against a checkpoint handed in, a sample. Each finds
// what it is for, and says what it did not do.
#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "tests/engine/verify/forge.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;

verify::State full_state(CrashRig& rig) {
  const verify::Report report = rig.verify();
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kPass);
  REQUIRE(report.state.has_value());
  return *report.state;
}

verify::Report since(CrashRig& rig, const verify::State& state, uint64_t reread_blocks = 4) {
  verify::Options options;
  options.since = state;
  options.reread_blocks = reread_blocks;
  options.seed = 1;
  return rig.verify(options);
}

// A checkpoint as its writer would sign it, of a table as a report found it.
std::string note_of(CrashRig& rig, const verify::Report& report, TableId table, std::string_view key_path) {
  const Buffer text = rig.disk().read(std::string(key_path));
  const crypto::Key key = crypto::parse_key(text).value();
  tree::Note note;
  std::string origin = key.name;
  if (table != TableId::kMeta) origin += std::string("/") + table_name(table);
  note.text = tree::format_checkpoint({origin, report.sizes[index_of(table)], report.roots[index_of(table)], {}});
  tree::sign_note(note, origin, crypto::signing_key(key).value());
  return tree::format_note(note);
}
std::string note_of(CrashRig& rig, const verify::Report& report, TableId table = TableId::kLogs) {
  return note_of(rig, report, table, "root.keys/signing.key");
}

TEST_CASE("verify since: what is new is read, wherever the last run ended, and leaves the state a full run leaves") {
  CrashRig rig;
  REQUIRE(rig.life(3, kSegment).ok());
  verify::State state = full_state(rig);
  for (int i = 0; i < 25; ++i) {
    REQUIRE(rig.life(static_cast<size_t>(i % 4), kSegment).ok());
    const verify::Report report = since(rig, state);
    INFO("step " << i << "\n" << describe(report));
    REQUIRE(report.verdict == verify::Verdict::kPass);
    CHECK(report.scope == "since");
    CHECK(report.since_commit == state.commit);
    CHECK(report.full_commit == state.full_commit);
    CHECK(report.checked.reread > 0);
    CHECK(report.basis.back() == "caller_supplied_checkpoint");
    REQUIRE(report.state.has_value());
    verify::State want = full_state(rig);
    want.full_commit = state.full_commit;
    want.full_time = state.full_time;
    want.written = report.state->written;
    CHECK(verify::format_state(*report.state) == verify::format_state(want));
    state = *report.state;
  }
  REQUIRE(rig.disk().exists(segment_file(TableId::kLogs, 3)));
}

TEST_CASE("verify since: a state that nobody keeps outside is no basis") {
  CrashRig rig;
  REQUIRE(rig.life(3, kSegment).ok());
  verify::Options options;
  options.since = full_state(rig);
  options.since_is_own = true;
  const verify::Report report = rig.verify(options);
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kPass);
  CHECK(report.scope == "since");
  CHECK(report.basis == std::vector<std::string>{"self_consistent"});
  CHECK(report.statement.find("you keep") == std::string::npos);
  CHECK(std::any_of(report.does_not_show.begin(), report.does_not_show.end(),
                    [](const std::string& text) { return text.find("no key of yours") != std::string::npos; }));
}

TEST_CASE("verify since: only the new rows are read, and some old blocks again") {
  CrashRig rig;
  REQUIRE(rig.life(20, kSegment).ok());
  const verify::State state = full_state(rig);
  REQUIRE(rig.life(2, kSegment).ok());
  const verify::Report report = since(rig, state);
  CHECK(report.checked.records < 10);
  // One that was changed in the old part is found when its block is drawn, here: all blocks.
  rewrite_row(rig.disk(), TableId::kLogs, 1, 1);
  CHECK(since(rig, state, 0).verdict == verify::Verdict::kPass);
  const verify::Report all = since(rig, state, 1000);
  INFO(describe(all));
  REQUIRE(all.verdict == verify::Verdict::kFail);
  CHECK(all.first_break->code == "leaf-mismatch");
  CHECK(all.first_break->file == "logs/seg-0000000001.log");
}

TEST_CASE("verify since: a new record that was changed is found, as are a cut old file and a changed manifest") {
  CrashRig rig;
  REQUIRE(rig.life(20, kSegment).ok());
  const verify::State state = full_state(rig);
  REQUIRE(rig.life(3, 1 << 20).ok());
  const auto broken = [&](auto change, std::string_view code) {
    CrashRig victim(rig.disk().clone(), 7);
    change(victim.disk());
    const verify::Report report = since(victim, state, 0);
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    CHECK(report.first_break->code == code);
  };
  uint64_t active = 0;
  while (rig.disk().exists(segment_file(TableId::kLogs, active + 1))) ++active;
  const size_t last = rows_of(rig.disk(), segment_file(TableId::kLogs, active)).size() - 1;
  broken([&](FakeDisk& disk) { rewrite_row(disk, TableId::kLogs, active, last); }, "leaf-mismatch");
  broken([&](FakeDisk& disk) { disk.edit(segment_file(TableId::kLogs, 0), [](Buffer& bytes) { bytes.pop_back(); }); },
         "segment-truncated");
  broken([&](FakeDisk& disk) { disk.remove(segment_file(TableId::kLogs, 1)); }, "segment-missing");
  broken(
      [&](FakeDisk& disk) {
        disk.edit("root/logs/manifest", [](Buffer& bytes) {
          segment::ManifestEntry entry = segment::parse_manifest_entry(Bytes(bytes).first(160)).value();
          entry.footer.time_max -= 5;
          const auto changed = segment::encode_manifest_entry(entry);
          std::copy(changed.begin(), changed.end(), bytes.begin());
        });
      },
      "manifest-mismatch");
}

TEST_CASE("verify since: an older copy put back is a rollback, whatever was written on it") {
  CrashRig rig;
  REQUIRE(rig.life(5, kSegment).ok());
  CrashRig older(rig.disk().clone(), 3);
  older.remember(rig);
  REQUIRE(rig.life(6, kSegment).ok());
  const verify::State state = full_state(rig);
  const verify::Report report = since(older, state);
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->code == "rollback");
  CHECK(report.scope == "full");
  // Written on until it is longer than what was seen: then it is a fork.
  REQUIRE(older.life(12, kSegment).ok());
  const verify::Report longer = since(older, state);
  INFO(describe(longer));
  REQUIRE(longer.verdict == verify::Verdict::kFail);
  CHECK(longer.first_break->code == "fork");
  CHECK(older.verify().verdict == verify::Verdict::kPass);  // by itself it is consistent
}

TEST_CASE("verify since: the state of another log is not this one's") {
  CrashRig rig, other;
  REQUIRE(rig.life(2).ok());
  REQUIRE(other.life(2).ok());
  verify::State state = full_state(rig);
  state.origin = "example.org/another";
  const verify::Report report = since(rig, state);
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->code == "genesis-mismatch");
}

TEST_CASE("verify against: a checkpoint kept from earlier is extended, at every size") {
  CrashRig rig;
  std::vector<std::string> notes;
  for (int i = 0; i < 8; ++i) {
    REQUIRE(rig.life(3, kSegment).ok());
    for (const TableId table : kTables) notes.push_back(note_of(rig, rig.verify(), table));
  }
  verify::Options options;
  options.against = notes;
  for (const bool range : {false, true}) {
    if (range) options.from_row = Row{1};
    const verify::Report report = rig.verify(options);
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kPass);
    CHECK(report.checked.outside_heads == notes.size());
    CHECK(report.basis.back() == "caller_supplied_checkpoint");
  }
}

TEST_CASE("verify against: an older copy and another past are found, and both signed heads are shown") {
  CrashRig rig;
  REQUIRE(rig.life(5, kSegment).ok());
  CrashRig older(rig.disk().clone(), 3);
  older.remember(rig);
  REQUIRE(rig.life(6, kSegment).ok());
  verify::Options options;
  options.against = {note_of(rig, rig.verify())};
  verify::Report report = older.verify(options);
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->code == "rollback");
  CHECK(report.first_break->table == TableId::kLogs);
  REQUIRE(report.first_break->signed_heads.size() == 2);
  CHECK(report.first_break->signed_heads[0] == options.against[0]);
  CHECK(verify::to_page(report).find(options.against[0].substr(0, 10)) != std::string::npos);
  REQUIRE(older.life(12, kSegment).ok());
  for (const bool range : {false, true}) {
    if (range) options.from_row = Row{1};
    report = older.verify(options);
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    CHECK(report.first_break->code == "fork");
    CHECK(report.first_break->signed_heads.size() == 2);
  }
}

TEST_CASE("verify against: a checkpoint of another key, of another log, or none at all") {
  CrashRig rig;
  REQUIRE(rig.life(2).ok());
  const verify::Report good = rig.verify();
  const auto code_of = [&](const std::string& note) {
    verify::Options options;
    options.against = {note};
    const verify::Report report = rig.verify(options);
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kFail);
    return std::string(report.first_break->code);
  };
  const crypto::Key other = crypto::generate_key(crypto::KeyKind::kSigning, "example.org/crash", 1);
  rig.disk().put("root.keys/other.key", crypto::print_key(other).value().bytes());
  CHECK(code_of(note_of(rig, good, TableId::kLogs, "root.keys/other.key")) == "key-unknown");
  std::string forged = note_of(rig, good);
  forged[forged.find('\n') + 1] ^= 1;  // the size
  CHECK(code_of(forged) == "sig-bad");
  const crypto::Key elsewhere = crypto::generate_key(crypto::KeyKind::kSigning, "example.org/elsewhere", 1);
  rig.disk().put("root.keys/elsewhere.key", crypto::print_key(elsewhere).value().bytes());
  CHECK(code_of(note_of(rig, good, TableId::kMeta, "root.keys/elsewhere.key")) == "genesis-mismatch");
  verify::Options options;
  options.against = {"not a note\n"};
  const auto root = rig.disk().directory("root");
  CHECK(verify::run(*root, options).error().code == Code::kInvalid);
}

TEST_CASE("verify sample: the same seed draws the same events, each checked to the signed root") {
  CrashRig rig;
  REQUIRE(rig.life(30, kSegment).ok());
  verify::Options options;
  options.sample = 10;
  options.seed = 42;
  const verify::Report report = rig.verify(options);
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kPass);
  CHECK(report.scope == "sample");
  CHECK(report.checked.records == 10);
  CHECK(report.seed == 42);
  options.sample = 1000;  // more than there are
  CHECK(rig.verify(options).checked.records == 30);
  rewrite_row(rig.disk(), TableId::kLogs, 1, 0);
  const verify::Report bad = rig.verify(options);
  INFO(describe(bad));
  REQUIRE(bad.verdict == verify::Verdict::kFail);
  CHECK(bad.first_break->code == "leaf-mismatch");
  options.seed.reset();
  options.sample = 1;
  CHECK(rig.verify(options).seed.has_value());
}

TEST_CASE("verify state: it prints and parses, and a slip of the hand is noticed") {
  CrashRig rig;
  REQUIRE(rig.life(30, kSegment).ok());
  const verify::State state = full_state(rig);
  const std::string text = verify::format_state(state);
  REQUIRE(text.size() < verify::kStateSizeMax);
  CHECK(verify::parse_state(text).value() == state);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(verify::parse_state(changed).ok());
    CHECK_FALSE(verify::parse_state(text.substr(0, i)).ok());
  }
  CHECK_FALSE(verify::parse_state(text + "\n").ok());
  // Whoever can count check digits can still say a thing in one way only.
  const std::string body = text.substr(0, text.rfind("check: "));
  const auto checked = [](const std::string& lines) {
    return lines + "check: " + hex(Bytes(crypto::sha256(as_bytes(lines))).first(4)) + "\n";
  };
  CHECK(verify::parse_state(checked(body)).value() == state);
  CHECK_FALSE(verify::parse_state(checked(body + "check: 00000000\n")).ok());
  CHECK_FALSE(verify::parse_state(checked(body + "written: 1\n")).ok());
  CHECK_FALSE(verify::parse_state(checked(body.substr(0, body.size() - 1) + " \n")).ok());
  CHECK(verify::parse_state("khipu-verify-state/v2\n").error().code == Code::kUnsupported);
}

}  // namespace
}  // namespace khipu::tests
