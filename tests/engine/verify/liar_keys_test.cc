// What only one check stands against of what is said about the files in keys/ (liar.h): a key file that is gone, that
// is another one, or that nobody accounts for, and statements about keys that contradict each other. No key is needed.
#include "engine/crypto/hash.h"
#include "tests/engine/verify/watch.h"

namespace khipu::tests {
namespace {

constexpr const char* kName = "data-0000000001-1.key";

// One data key, stated and there.
struct Keyed : LiarLog {
  Keyed() : LiarLog(3) {
    codec::KeyStatement statement;
    statement.action = codec::KeyAction::kDataKey;
    statement.name = kName;
    statement.file_sha256 = crypto::sha256(content);
    sign_statements(rig, {statement});
    rig.disk().put(path(), content);
    REQUIRE(rig.verify().verdict == verify::Verdict::kPass);
    REQUIRE(rig.verify().checked.key_files == 1);
  }
  static std::string path(const std::string& name = kName) { return "root/keys/" + name; }
  // Information alone: it may be there, and is said to be.
  void noted(std::string_view sentence) {
    const verify::Report report = rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kPass);
    CHECK(std::any_of(report.findings.begin(), report.findings.end(), [&](const verify::Finding& finding) {
      return finding.code == "file-unaccounted" && finding.information &&
             finding.detail.find(sentence) != std::string::npos;
    }));
  }
  const Buffer content = {1, 2, 3};
};

TEST_CASE("liar: a key file that a KEY statement names and that is gone") {
  Keyed log;
  log.rig.disk().remove(Keyed::path());
  log.told("key-missing", "no SHRED statement says it was destroyed");
}

TEST_CASE("liar: another file in the place of a key file, also one too large for any") {
  Keyed log;
  log.rig.disk().flip_bit(Keyed::path(), 2);
  log.told("key-mismatch", "not the file its KEY statement names");
  log.rig.disk().put(Keyed::path(), Buffer(16 << 20));
  log.told("key-mismatch", "not the file its KEY statement names");
}

TEST_CASE("liar: files in keys/ that nobody accounts for") {
  Keyed log;
  log.rig.disk().put(Keyed::path("data-0000000002-1.key"), log.content);
  log.noted("no KEY statement names it (yet)");
  log.rig.disk().put(Keyed::path("notes.txt"), log.content);
  log.told("file-unaccounted", "nothing accounts for it");
}

codec::Shred shred_of(const std::string& file) {
  codec::Shred shred;
  shred.scope = "session 1";
  shred.reference = "request 7";
  shred.by = "test";
  shred.files = {file};
  return shred;
}

TEST_CASE("liar: a shredded key file that is still there is said to be, and gone is right") {
  Keyed log;
  sign_statements(log.rig, {shred_of(kName)});
  log.noted("shredded, and still there");
  log.rig.disk().remove(Keyed::path());
  CHECK(log.rig.verify().verdict == verify::Verdict::kPass);
}

// Shredding beside a run and a writer: the statement is committed behind what the run reads, then the file goes.
verify::Report beside(Keyed& log, const std::string& shredded) {
  const Held held(log.rig.disk());
  bool once = false;
  verify::Options options;
  options.threads = 1;
  options.progress = [&](uint64_t, uint64_t) {
    if (std::exchange(once, true)) return;
    sign_statements(log.rig, {shred_of(shredded)});
    log.rig.disk().remove(Keyed::path());
  };
  const verify::Report report = log.rig.verify(std::move(options));
  REQUIRE(once);
  return report;
}

TEST_CASE("liar: a key file shredded while verify reads is not evidence, and not passed over") {
  Keyed log;
  const verify::Report report = beside(log, kName);
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kIncomplete);
  CHECK(std::none_of(report.findings.begin(), report.findings.end(),
                     [](const verify::Finding& finding) { return finding.code == "key-missing"; }));
  CHECK(std::any_of(report.not_checked.begin(), report.not_checked.end(), [](const std::string& text) {
    return text.find("keys/" + std::string(kName)) != std::string::npos &&
           text.find("run it again") != std::string::npos;
  }));
  CHECK(log.rig.verify().verdict == verify::Verdict::kPass);
}

TEST_CASE("liar: a key file that goes while verify reads, and newer statements that are not about it") {
  Keyed log;
  codec::KeyStatement second;
  second.action = codec::KeyAction::kDataKey;
  second.name = "data-0000000002-1.key";
  second.file_sha256 = crypto::sha256(log.content);
  second.key = {1};
  sign_statements(log.rig, {second});
  log.rig.disk().put(Keyed::path("data-0000000002-1.key"), log.content);
  REQUIRE(log.rig.verify().verdict == verify::Verdict::kPass);
  const verify::Report report = beside(log, "data-0000000002-1.key");
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
  CHECK(std::any_of(report.findings.begin(), report.findings.end(), [](const verify::Finding& finding) {
    return finding.code == "key-missing" && finding.file == "keys/" + std::string(kName);
  }));
}

TEST_CASE("liar: a statement about keys that contradicts those before it") {
  Keyed log;
  codec::KeyStatement again;
  again.action = codec::KeyAction::kDataKey;
  again.name = kName;
  again.file_sha256 = crypto::sha256(log.content);
  sign_statements(log.rig, {again});
  log.told("key-mismatch", "contradicts those before it");
}

}  // namespace
}  // namespace khipu::tests
