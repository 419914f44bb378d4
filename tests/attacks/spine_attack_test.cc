// Attacks on what the log says of itself: HEAD, commits, meta/, checkpoints, keys, and older copies of each. On roots
// of the real programs. README.md is the table of all.
#include <filesystem>

#include "engine/codec/frame.h"
#include "engine/codec/statement.h"
#include "engine/crypto/key_file.h"
#include "engine/crypto/signature.h"
#include "engine/os/head_lock.h"
#include "engine/segment/format.h"
#include "engine/tree/note.h"
#include "tests/attacks/workbench.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

namespace fs = std::filesystem;
const std::string kMeta = "meta/seg-0000000000.log";

void copy_over(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}
std::string text_of(const std::string& path) { return std::string(as_text(read_bytes(path))); }

TEST_CASE("real attack: the whole older copy, keys and state and all, against what an auditor keeps") {
  Victim victim(original().older());
  CHECK(victim.verify_with().exit == 0);  // by itself it is consistent
  CHECK(victim.verify_with({"--since", original().state()}).exit == 1);
  // The writer cannot know; whoever kept something does, also when the copy has grown longer than the original was.
  const Ran shorter = victim.verify_with({"--against", original().checkpoint()});
  CHECK(shorter.exit == 1);
  CHECK(nlohmann::json::parse(shorter.out)["first_break"]["code"] == "rollback");
  for (int n = 0; n < 6; ++n) REQUIRE(append_event(victim.root(), n).exit == 0);
  for (const std::vector<std::string>& kept :
       {std::vector<std::string>{"--since", original().state()}, {"--against", original().checkpoint()}}) {
    const Ran longer = victim.verify_with(kept);
    INFO(longer.out);
    CHECK(longer.exit == 1);
    const nlohmann::json report = nlohmann::json::parse(longer.out);
    CHECK(report["first_break"]["code"] == "fork");
    CHECK(report["first_break"]["table"] == "meta");
  }
}

TEST_CASE("real attack: an older copy of the root, found by the state beside the keys") {
  Victim victim(original().older());
  copy_over(original().root() + ".keys", victim.keys());
  const Ran refused = append_event(victim.root(), 1);
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("the last signed state is commit "));
  CHECK_THAT(refused.err, ContainsSubstring("--accept-rollback"));
  CHECK(victim.verify_with({"--since", original().state()}).exit == 1);
}

TEST_CASE("real attack: the state beside the keys removed, damaged, or an older one") {
  for (const bool removed : {true, false}) {
    Victim victim;
    if (removed) {
      fs::remove(victim.keys() + "/state");
    } else {
      edit(victim.keys() + "/state", [](Buffer& bytes) { bytes[40] ^= 1; });
    }
    const Ran refused = append_event(victim.root(), 1);
    CHECK(refused.exit == 3);
    CHECK_THAT(refused.err, ContainsSubstring("state"));
    CHECK(victim.verify_with().exit == 0);  // no file of the root was changed
  }
  // An older state knows less, and so might sign what is older; checkpoints.log tells.
  Victim victim;
  copy_over(original().older() + ".keys/state", victim.keys() + "/state");
  const Ran refused = append_event(victim.root(), 1);
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("an older copy of the key-side state was put back"));
}

TEST_CASE("real attack: HEAD of a longer life of the log") {
  Victim longer;
  for (int n = 0; n < 3; ++n) REQUIRE(append_event(longer.root(), n).exit == 0);
  Victim victim;
  copy_over(longer.file("HEAD"), victim.file("HEAD"));
  victim.found({"segment-truncated", "meta", kMeta, std::nullopt, "HEAD names a commit at "});
}

TEST_CASE("real attack: HEAD of another log, edited, and removed") {
  {
    Victim victim;
    edit(victim.file("HEAD"), [](Buffer& bytes) {
      for (const size_t at : {size_t{0}, size_t{segment::kHeadSlotStride}}) {
        const Bytes slot = Bytes(bytes).subspan(at, segment::kHeadSlotSize);
        segment::Head head = segment::parse_head(slot).value().value();
        head.tables[index_of(TableId::kLogs)].size -= 1;  // checksum and all
        const auto now = segment::encode_head(head);
        std::copy(now.begin(), now.end(), bytes.begin() + static_cast<ptrdiff_t>(at));
      }
    });
    // The writer believes HEAD about one thing only, the commit's place, and writes it anew.
    victim.found({"head-inconsistent", "logs", "HEAD", std::nullopt, "", true});
  }
  {
    Victim victim;
    fs::remove(victim.file("HEAD"));
    victim.found({"head-missing", "", "HEAD", std::nullopt, "holds no log"});
  }
}

TEST_CASE("real attack: an older HEAD, and one slot put back, are information: nothing is lost by it") {
  {
    Victim victim;
    copy_over(original().older() + "/HEAD", victim.file("HEAD"));
    victim.harmless("");
  }
  {
    Victim victim;
    const Buffer older = read_bytes(original().older() + "/HEAD");
    edit(victim.file("HEAD"),
         [&](Buffer& bytes) { std::copy(older.begin(), older.begin() + segment::kHeadSlotSize, bytes.begin()); });
    victim.harmless("");
  }
}

// A commit frame that something else names.
TEST_CASE("real attack: HEAD put back, and checkpoints.log removed, beside a writer that runs") {
  const auto keep_head = [](const Victim& victim) {  // as a writer does
    auto head = os::open_directory(victim.root()).value()->open_file("HEAD", os::Mode::kReadWrite).value();
    for (const uint64_t byte : {os::kHeadLockOffset, os::kHeadKeptOffset}) {
      REQUIRE(head->try_lock(byte, 1, os::LockKind::kExclusive).value());
    }
    return head;
  };
  const auto found = [](const Victim& victim, const std::vector<std::string>& arguments, std::string_view code) {
    const Ran ran = victim.verify_with(arguments);
    INFO(ran.out << ran.err);
    CHECK(ran.exit == 1);
    CHECK(nlohmann::json::parse(ran.out)["first_break"]["code"] == code);
  };
  {
    Victim victim;
    write_bytes(victim.file("HEAD"), read_bytes(original().older() + "/HEAD"));
    const auto head = keep_head(victim);
    found(victim, {}, "rollback");
    found(victim, {"--rows", "0:"}, "rollback");
    found(victim, {"--sample", "50"}, "rollback");
  }
  {
    Victim victim;
    fs::remove(victim.file("checkpoints.log"));
    fs::remove(victim.file("checkpoint"));
    const auto head = keep_head(victim);
    found(victim, {}, "head-missing");
  }
}

TEST_CASE("real attack: a commit frame removed or damaged") {
  const auto hurt = [](Victim& victim, const std::string& name, size_t from_end, bool remove) {
    std::vector<AttackedFrame> frames = frames_of(read_bytes(victim.file(name)));
    const std::vector<AttackedFrame> commits = commits_of(read_bytes(victim.file(name)));
    const AttackedFrame& commit = commits.at(commits.size() - 1 - from_end);
    if (!remove) {
      edit(victim.file(name), [&](Buffer& bytes) { bytes[commit.offset + 40] ^= 1; });
      return;
    }
    std::erase_if(frames, [&](const AttackedFrame& frame) { return frame.offset == commit.offset; });
    put_frames(victim.file(name), frames);
  };
  {
    Victim victim;  // a later commit names it
    hurt(victim, kMiddle, 2, false);
    victim.found({"commit-broken", "logs", kMiddle, std::nullopt, ""});
  }
  {
    Victim victim;
    hurt(victim, kMiddle, 2, true);
    victim.found({"commit-broken", "logs", kMiddle, std::nullopt, ""});
  }
  {
    Victim victim;  // the manifest entry names it, and the commits behind it
    hurt(victim, kMiddle, 0, false);
    victim.found({"commit-broken", "logs", kMiddle, std::nullopt, ""});
  }
  {
    Victim victim;  // HEAD names it, and so do checkpoints
    hurt(victim, original().active, 0, false);
    victim.found({"rollback", "meta", "checkpoints.log", std::nullopt, "HEAD names a commit at "});
  }
  {
    Victim victim;  // with HEAD gone: the state beside the keys names it
    hurt(victim, original().active, 0, false);
    fs::resize_file(victim.file("HEAD"), 0);
    victim.found({"rollback", "meta", "checkpoints.log", std::nullopt, "the last signed state is commit "});
  }
}

TEST_CASE("real attack: a signature from another key") {
  Victim victim;
  const AttackedFrame was = commits_of(read_bytes(victim.file(kMiddle)))[1];
  AttackedFrame now = was;
  codec::CommitRecord commit = codec::decode_commit(was.payload).value();
  commit.signature = crypto::SigningKey::generate().sign(codec::commit_signed_bytes({}, was.payload));
  now.payload.clear();
  codec::encode_commit(now.payload, commit);
  put_frame(victim.file(kMiddle), was, now);
  victim.found({"sig-bad", "logs", kMiddle, std::nullopt, ""});
}

// Rewrites GENESIS, checksum and all.
void edit_genesis(Victim& victim, const std::function<void(codec::StatementRecord&, codec::Genesis&)>& change) {
  const AttackedFrame was = rows_of(read_bytes(victim.file(kMeta)))[0];
  AttackedFrame now = was;
  codec::StatementRecord record = codec::decode_statement(was.payload).value();
  change(record, std::get<codec::Genesis>(record.body));
  now.payload.clear();
  codec::encode_statement(now.payload, record);
  put_frame(victim.file(kMeta), was, now);
}

TEST_CASE("real attack: the public key in the root replaced") {
  Victim victim;
  const auto other = crypto::SigningKey::generate().public_key();
  edit_genesis(victim, [&](codec::StatementRecord&, codec::Genesis& genesis) { genesis.verifier = other; });
  const Ran pinned = victim.verify_with({"--key", original().key()});
  CHECK(pinned.exit == 1);
  CHECK(nlohmann::json::parse(pinned.out)["first_break"]["code"] == "genesis-mismatch");
  victim.found({"key-unknown", "meta", "checkpoint", std::nullopt, ""});
}

TEST_CASE("real attack: GENESIS changed: another origin, another root id, another uid") {
  {
    Victim victim;
    edit_genesis(victim, [](codec::StatementRecord&, codec::Genesis& genesis) { genesis.origin[0] = 'f'; });
    victim.found({"genesis-mismatch", "meta", "checkpoint", std::nullopt, ""});
  }
  {
    Victim victim;
    edit_genesis(victim, [](codec::StatementRecord&, codec::Genesis& genesis) { genesis.root_id[0] ^= 1; });
    CHECK_THAT(victim.verify_with().out, ContainsSubstring("sig-bad"));
    victim.found({"frame-corrupt", "meta", kMeta, 0, ""});
  }
  {
    Victim victim;
    edit_genesis(victim, [](codec::StatementRecord& record, codec::Genesis&) { record.uid[3] ^= 1; });
    victim.found({"leaf-mismatch", "meta", kMeta, 0, ""});
  }
}

TEST_CASE("real attack: the signing key replaced by another") {
  Victim victim;
  const crypto::Key other = crypto::generate_key(crypto::KeyKind::kSigning, "example.org/attacked", 1);
  write_bytes(victim.keys() + "/signing.key", crypto::print_key(other).value().bytes());
  const Ran refused = append_event(victim.root(), 1);
  INFO(refused.err);
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("HEAD names a commit at "));  // not signed by the key that is there
  CHECK(victim.verify_with().exit == 0);
}

TEST_CASE("real attack: an older copy of meta/ alone") {
  Victim victim;
  copy_over(original().older() + "/meta", victim.file("meta"));
  victim.found({"segment-truncated", "meta", kMeta, 0, "meta"});
}

TEST_CASE("real attack: a statement of meta/ rewritten, and taken out") {
  {
    Victim victim;
    const AttackedFrame was = rows_of(read_bytes(victim.file(kMeta)))[4];
    AttackedFrame now = was;
    now.payload[6] ^= 1;
    put_frame(victim.file(kMeta), was, now);
    victim.found({"leaf-mismatch", "meta", kMeta, 4, ""});
  }
  {
    Victim victim;
    std::vector<AttackedFrame> frames = frames_of(read_bytes(victim.file(kMeta)));
    frames.erase(frames.begin() + 4);
    put_frames(victim.file(kMeta), frames);
    victim.found({"row-gap", "meta", kMeta, 4, "meta"});
  }
}

TEST_CASE("real attack: checkpoints.log removed, cut, rewritten, or an older copy") {
  const std::string log = "checkpoints.log";
  const auto wants = [](const std::string& code, const std::string& refused, auto change, bool healed = false) {
    Victim victim;
    change(victim);
    victim.found({code, "meta", "checkpoints.log", std::nullopt, refused, healed});
  };
  wants("head-missing", log, [&](Victim& victim) { fs::remove(victim.file(log)); });
  wants("head-missing", log, [&](Victim& victim) {
    fs::remove(victim.file(log));
    fs::remove(victim.file("checkpoint"));
  });
  wants("head-missing", log,
        [&](Victim& victim) { edit(victim.file(log), [](Buffer& bytes) { bytes.resize(bytes.size() / 2); }); });
  // The last note, damaged: what it must be follows from the state beside the keys, and the writer issues it again.
  const auto last = [&](Victim& victim) {
    edit(victim.file(log), [](Buffer& bytes) { bytes[bytes.size() - 20] ^= 1; });
  };
  wants("sig-bad", "", last, true);
  wants("sig-bad", "", [&](Victim& victim) {  // and the first: the writer does not read it again
    edit(victim.file(log), [&](Buffer& bytes) { bytes[text_of(victim.file(log)).find("\n\n") + 60] ^= 1; });
  });
  // A hole of terabytes behind it costs neither the verifier nor the writer its memory, nor the disk its space.
  wants("sig-bad", "move the file away", [&](Victim& victim) { fs::resize_file(victim.file(log), 4ULL << 40); });
  // Neither the first publication can be taken out unseen by who writes on, nor one be put in twice by anybody.
  const auto first_end = [](const std::string& text) { return text.find("\n\n", text.find("\n\n") + 2) + 2; };
  {
    Victim victim;
    const std::string text = text_of(victim.file(log));
    write_bytes(victim.file(log), as_bytes(text.substr(first_end(text))));
    const Ran refused = append_event(victim.root(), 1);
    CHECK(refused.exit == 3);
    CHECK_THAT(refused.err, ContainsSubstring("something was taken out or put in"));
  }
  wants("head-inconsistent", "something was taken out or put in", [&](Victim& victim) {
    const std::string text = text_of(victim.file(log));
    write_bytes(victim.file(log), as_bytes(text.substr(0, first_end(text)) + text));
  });
  {
    Victim victim;
    copy_over(original().older() + "/" + log, victim.file(log));
    victim.found({"head-missing", "meta", "checkpoint", std::nullopt, log});
  }
  {
    Victim victim;  // one publication taken out of the middle: TABLE_HEADs say that there was one
    std::string text = text_of(victim.file(log));
    std::vector<size_t> closes;  // behind each note of meta
    for (size_t at = 0; (at = text.find("\n\n", text.find("\n\n", at) + 2)) != std::string::npos;) {
      at += 2;
      closes.push_back(at);
      if (at >= text.size()) break;
    }
    text.erase(closes[4], closes[8] - closes[4]);
    write_bytes(victim.file(log), as_bytes(text));
    // A crash in front of a publication leaves the same, so it is information; the writer, which counts them, refuses.
    const Ran ran = victim.verify_with();
    INFO(ran.out);
    CHECK_THAT(ran.out, ContainsSubstring("checkpoint commits without a publication"));
    const Ran refused = append_event(victim.root(), 1);
    CHECK(refused.exit == 3);
    CHECK_THAT(refused.err, ContainsSubstring(log));
  }
}

TEST_CASE("real attack: the file checkpoint removed, damaged, or put back") {
  {
    Victim victim;
    edit(victim.file("checkpoint"), [](Buffer& bytes) { bytes[bytes.size() - 20] ^= 1; });
    victim.found({"sig-bad", "meta", "checkpoint", std::nullopt, "", true});  // replaced by the next, which is right
  }
  {
    Victim victim;  // a copy of what stands in checkpoints.log
    copy_over(original().older() + "/checkpoint", victim.file("checkpoint"));
    victim.harmless("head-inconsistent");
  }
}

TEST_CASE("real attack: a fresh log presented as the old one, with the pinned key") {
  TempDirectory folder;
  REQUIRE(run({program("khipu"), "init", folder / "root", "--origin", "example.org/attacked"}).exit == 0);
  REQUIRE(append_event(folder / "root", 1).exit == 0);
  Victim victim(folder / "root");
  CHECK(victim.verify_with().exit == 0);
  victim.found({"genesis-mismatch", "meta", kMeta, 0, ""}, {"--key", original().key()});
  CHECK(victim.verify_with({"--against", original().checkpoint()}).exit == 1);
}

TEST_CASE("real attack: a forged RETENTION for segments that are gone") {
  const auto entry = [](uint64_t number) {
    const Buffer bytes = read_bytes(original().root() + "/logs/manifest");
    return segment::parse_manifest_entry(
               Bytes(bytes).subspan(number * segment::kManifestEntrySize, segment::kManifestEntrySize))
        .value();
  };
  Victim victim;
  const segment::Footer first = entry(0).footer, last = entry(1).footer;
  codec::Retention retention;
  retention.table = TableId::kLogs;
  retention.to = Row{last.first_row.value + last.rows};
  retention.last_segment = SegmentNumber{1};
  retention.recorded_first = first.recorded_first;
  retention.recorded_last = last.recorded_last;
  retention.commit = last.commit;
  retention.commit_hash = last.commit_hash;
  retention.policy = "max-age 1 s";
  retention.by = "nobody";
  codec::StatementRecord record;
  record.recorded_at = last.recorded_last + 1'000'000'000;
  record.body = retention;
  Buffer payload;
  codec::encode_statement(payload, record);
  edit(victim.file(kMeta), [&](Buffer& bytes) {
    codec::append_frame(bytes, static_cast<uint8_t>(codec::RecordKind::kStatement), record.recorded_at, payload);
  });
  fs::remove(victim.file(kSealed));
  fs::remove(victim.file(kMiddle));
  const nlohmann::json report = nlohmann::json::parse(victim.verify_with().out);
  INFO(report.dump(1));
  CHECK(report["first_break"]["code"] == "retention-unauthorised");
  CHECK(report["first_break"]["file"] == kSealed);
  for (const std::vector<std::string>& some : {std::vector<std::string>{"--sample", "100000"}, {"--rows", "0:"}}) {
    const Ran ran = victim.verify_with(some);
    INFO(ran.out << ran.err);
    CHECK(ran.exit == 1);
    CHECK(nlohmann::json::parse(ran.out)["counts"].contains("retention-unauthorised"));
  }
  // The writer sets the unsigned statement aside, and then nothing at all explains what is gone.
  REQUIRE(append_event(victim.root(), 1).exit == 0);
  victim.found({"deletion-unexplained", "logs", kSealed, 0, ""});
}

}  // namespace
}  // namespace khipu::tests
