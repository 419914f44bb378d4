#include "tests/engine/protect/world.h"

namespace khipu::protect {
namespace {

const SubjectName kAlice{"user", "alice"};
const SubjectName kBob{"user", "bob"};

codec::Shred shred_of(std::vector<std::string> files) {
  codec::Shred shred;
  shred.scope = "test";
  shred.reference = "test";
  shred.by = "test";
  shred.files = std::move(files);
  return shred;
}
const KeyLog::File* subject_file(const KeyLog& log) {
  for (const auto& [name, file] : log.files()) {
    if (file.name.kind == WrappedKind::kSubject && file.state == KeyLog::State::kCurrent) return &file;
  }
  return nullptr;
}

TEST_CASE("subject: each person has a pair, kept over restarts, and data keys of their own") {
  World world;
  auto sealer = world.sealer();
  const Buffer a1 = seal(*sealer, world.place(), "alice 1", &kAlice);
  const Buffer b1 = seal(*sealer, world.place(), "bob 1", &kBob);
  const Buffer g1 = seal(*sealer, world.place(), "group 1");
  CHECK(parse_sealed(a1)->key_number != parse_sealed(b1)->key_number);
  CHECK(parse_sealed(a1)->key_number != parse_sealed(g1)->key_number);
  const KeyLog log = sealer->log();
  sealer = world.sealer(kNoonUs, log);
  const Buffer a2 = seal(*sealer, world.place(), "alice 2", &kAlice);
  size_t pairs = 0;
  for (const auto& [name, file] : sealer->log().files()) pairs += file.name.kind == WrappedKind::kSubject;
  CHECK(pairs == 2);
  const auto opener = world.opener(sealer->log());
  CHECK(open_text(*opener, world.place(), a1) == "alice 1");
  CHECK(open_text(*opener, world.place(), b1) == "bob 1");
  CHECK(open_text(*opener, world.place(), g1) == "group 1");
  CHECK(open_text(*opener, world.place(), a2) == "alice 2");
}

TEST_CASE("subject: shredding a person takes that person's values of all sessions and nobody else's") {
  World world;
  auto sealer = world.sealer();
  const Buffer a1 = seal(*sealer, world.place(), "alice 1", &kAlice);
  const std::string alices = subject_file(sealer->log())->name.text();
  const Buffer b1 = seal(*sealer, world.place(), "bob 1", &kBob);
  sealer->end_session();
  const Buffer a2 = seal(*sealer, world.place(), "alice 2", &kAlice);
  const auto opener = world.opener(sealer->log());
  REQUIRE(open_text(*opener, world.place(), a1) == "alice 1");  // it is in the opener's memory now

  REQUIRE(sealer->apply(shred_of({alices})).ok());
  CHECK_FALSE(world.disk.exists("root-keys/" + alices));
  CHECK(world.disk.unsynced().empty());
  opener->learn(std::make_shared<const KeyLog>(sealer->log()));
  CHECK(code_of_open(*opener, world.place(), a1) == Code::kPurged);
  CHECK(code_of_open(*opener, world.place(), a2) == Code::kPurged);
  CHECK(open_text(*opener, world.place(), b1) == "bob 1");
  // What is written of that person later is under another pair.
  const Buffer a3 = seal(*sealer, world.place(), "alice 3", &kAlice);
  opener->learn(std::make_shared<const KeyLog>(sealer->log()));
  CHECK(open_text(*opener, world.place(), a3) == "alice 3");
  CHECK(code_of_open(*opener, world.place(), a1) == Code::kPurged);
}

TEST_CASE("subject: a shredded session is gone for the writer as well, and the next value begins another") {
  World world;
  auto sealer = world.sealer();
  const Buffer before = seal(*sealer, world.place(), "before");
  REQUIRE(sealer->apply(shred_of({"data-0000000001-1.key"})).ok());
  const Buffer after = seal(*sealer, world.place(), "after");
  CHECK(parse_sealed(after)->key_number == 2);
  const auto opener = world.opener(sealer->log());
  CHECK(code_of_open(*opener, world.place(), before) == Code::kPurged);
  CHECK(open_text(*opener, world.place(), after) == "after");
}

TEST_CASE("subject: a start finishes what a crash behind the SHRED statement left") {
  World world;
  auto sealer = world.sealer();
  seal(*sealer, world.place(), "x");
  KeyLog log = sealer->log();
  sealer.reset();
  REQUIRE(log.apply(shred_of({"data-0000000001-1.key"})).ok());  // committed; then the power went
  CHECK(world.disk.exists("root-keys/data-0000000001-1.key"));
  sealer = world.sealer(kNoonUs, log);
  CHECK_FALSE(world.disk.exists("root-keys/data-0000000001-1.key"));
}

TEST_CASE("subject: a pair's file that somebody changed is not sealed to: the person gets another") {
  World world;
  auto sealer = world.sealer();
  seal(*sealer, world.place(), "x", &kAlice);
  const KeyLog log = sealer->log();
  const std::string path = "root-keys/" + subject_file(log)->name.text();
  world.disk.flip_bit(path, 50);  // in the public key
  sealer = world.sealer(kNoonUs, log);
  const Buffer value = seal(*sealer, world.place(), "y", &kAlice);
  CHECK(open_text(*world.opener(sealer->log()), world.place(), value) == "y");
}

TEST_CASE("subject: names nobody can have are refused") {
  World world;
  const auto sealer = world.sealer();
  Buffer value;
  for (const SubjectName& name :
       {SubjectName{"", "x"}, SubjectName{"user", ""}, SubjectName{"user", std::string(5000, 'x')}}) {
    CHECK(sealer->seal(world.place(), as_bytes("x"), &name, value).error().code == Code::kInvalid);
  }
  CHECK(value.empty());
}

}  // namespace
}  // namespace khipu::protect
