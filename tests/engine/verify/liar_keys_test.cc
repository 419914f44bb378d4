// What only one check stands against of what is said about the files in keys/ (liar.h): a key file that is gone, that
// is another one, or that nobody accounts for, and statements about keys that contradict each other. No key is needed.
#include "engine/crypto/hash.h"
#include "tests/engine/verify/liar.h"

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

TEST_CASE("liar: a shredded key file that is still there is said to be, and gone is right") {
  Keyed log;
  codec::Shred shred;
  shred.scope = "session 1";
  shred.reference = "request 7";
  shred.by = "test";
  shred.files = {kName};
  sign_statements(log.rig, {shred});
  log.noted("shredded, and still there");
  log.rig.disk().remove(Keyed::path());
  CHECK(log.rig.verify().verdict == verify::Verdict::kPass);
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
