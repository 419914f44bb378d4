// Rotation, re-wrapping and shredding under faults: every operation of a life that does all three fails in turn, or is
// the last thing that happens. Afterwards verify passes, no committed value is unreadable that no SHRED names, none
// that one names can be read, and the next life finishes what was begun.
#include "engine/protect/key_admin.h"
#include "engine/protect/opener.h"
#include "engine/protect/sealer.h"
#include "engine/snapshot/store.h"
#include "tests/crash/outlive.h"

namespace khipu::tests {
namespace {

using namespace protect;

struct Value {
  Buffer bytes;
  std::string text;
  bool shredded = false;  // somebody asked for it: it may go, and must once the SHRED is committed
};

FieldPlace place_in(const RootId& root) {
  FieldPlace place;
  place.root = root;
  place.name = {"user", "email"};
  place.entity_id = "u-1";
  return place;
}
const SubjectName kAlice{"user", "alice"};

// Key statements as a reader has them.
struct Known {
  RootId root{};
  KeyLog log;
};
Result<Known> known(CrashRig& rig) {
  KHIPU_TRY_ASSIGN(const auto store, snapshot::Store::open(rig.disk().directory("root")));
  KHIPU_TRY_ASSIGN(const auto snapshot, store->snapshot());
  Known out;
  out.root = snapshot->meta().genesis()->root_id;
  for (const codec::StatementRecord& statement : snapshot->meta().statements()) {
    KHIPU_TRY(out.log.apply(statement.body));
  }
  return out;
}

// A key side of its own, so that the writer under test does no sealing of itself.
struct Roles {
  std::unique_ptr<os::Directory> writer, search, decrypt;
  explicit Roles(CrashRig& rig)
      : writer(rig.disk().directory("w")), search(rig.disk().directory("s")), decrypt(rig.disk().directory("d")) {}
  RoleDirectories directories() const { return {writer.get(), search.get(), decrypt.get()}; }
};

Result<void> seal_one(CrashRig& rig, writer::Writer& writer, const Roles& roles, const SubjectName* subject,
                      const std::string& text, std::vector<Value>& values) {
  KHIPU_TRY_ASSIGN(const Known now, known(rig));
  const auto wrapped = rig.disk().directory("root")->open_directory("keys");
  KHIPU_TRY_ASSIGN(WriterRing ring, load_writer_ring(*roles.writer));
  KHIPU_TRY_ASSIGN(
      const auto sealer,
      Sealer::open(std::move(ring), now.log, {now.root, roles.writer.get(), wrapped.value().get()}, rig.clock().now()));
  Value value;
  value.text = text;
  KHIPU_TRY(sealer->seal(place_in(now.root), as_bytes(text), subject, value.bytes));
  for (const codec::KeyStatement& statement : sealer->take_due()) KHIPU_TRY(writer.append_and_publish(statement));
  values.push_back(std::move(value));  // what a commit behind the statement would hold
  return {};
}

// Shreds the oldest session that is there, and Alice.
Result<void> shred_some(CrashRig& rig, writer::Writer& writer, std::vector<Value>& values) {
  KHIPU_TRY_ASSIGN(Known now, known(rig));
  KHIPU_TRY_ASSIGN(const auto wrapped, rig.disk().directory("root")->open_directory("keys"));
  codec::Shred shred;
  shred.scope = "test";
  shred.reference = "request";
  shred.by = "test";
  for (const auto& [name, file] : now.log.files()) {
    if (file.state != KeyLog::State::kCurrent || file.name.kind != WrappedKind::kData) continue;
    KHIPU_TRY_ASSIGN(shred.files, files_of_session(now.log, file.name.number));
    break;
  }
  const Result<SubjectFiles> alices = files_of_subject(*wrapped, now.root, now.log, kAlice);
  if (alices.ok()) {
    for (const std::string& file : alices->files) {
      if (std::find(shred.files.begin(), shred.files.end(), file) == shred.files.end()) shred.files.push_back(file);
    }
  } else if (alices.error().code != Code::kNotFound) {
    return alices.error();
  }
  for (Value& value : values) {
    const uint32_t number = parse_sealed(value.bytes)->key_number;
    const KeyLog::File* file = now.log.current(number);
    const bool named =
        file != nullptr && std::find(shred.files.begin(), shred.files.end(), file->name.text()) != shred.files.end();
    value.shredded = value.shredded || named;
  }
  KHIPU_TRY(writer.append_and_publish(shred));
  KHIPU_TRY(now.log.apply(shred));
  KHIPU_TRY(sweep(*wrapped, now.log));
  return {};
}

Result<void> life(CrashRig& rig, std::vector<Value>& values, const std::string& name) {
  const Roles roles(rig);
  KHIPU_TRY_ASSIGN(const std::unique_ptr<writer::Writer> writer, rig.open());
  KHIPU_TRY_ASSIGN(const auto wrapped, rig.disk().directory("root")->open_directory("keys"));
  {
    // What an interrupted life left.
    KHIPU_TRY_ASSIGN(const Known now, known(rig));
    KHIPU_TRY(sweep(*wrapped, now.log));
  }
  KHIPU_TRY(seal_one(rig, *writer, roles, nullptr, name + " group", values));
  KHIPU_TRY(seal_one(rig, *writer, roles, &kAlice, name + " alice", values));
  KHIPU_TRY(rotate(roles.directories(), "log", RotateKind::kRecipients, rig.clock().now()));
  {
    KHIPU_TRY_ASSIGN(Known now, known(rig));
    KHIPU_TRY_ASSIGN(const DecryptRing ring, load_decrypt_ring(*roles.decrypt));
    KHIPU_TRY_ASSIGN(const std::vector<Recipient> recipients, load_recipients(*roles.writer));
    KHIPU_TRY_ASSIGN(const Rewrapped done, rewrap(*wrapped, now.root, now.log, ring, recipients));
    KHIPU_TRY_ASSIGN(const auto statements, adoptable(*wrapped, now.root, now.log, done.list));
    for (const codec::KeyStatement& statement : statements) {
      KHIPU_TRY(writer->append_and_publish(statement));
      KHIPU_TRY(now.log.apply(statement));
    }
    KHIPU_TRY(sweep(*wrapped, now.log));
  }
  KHIPU_TRY(seal_one(rig, *writer, roles, nullptr, name + " new", values));
  KHIPU_TRY(shred_some(rig, *writer, values));
  return writer->close();
}

// "" or what is not as it must be.
std::string judge_values(CrashRig& rig, const std::vector<Value>& values) {
  const Result<Known> now = known(rig);
  if (!now.ok()) return now.error().message;
  const Roles roles(rig);
  auto ring = load_decrypt_ring(*roles.decrypt);
  if (!ring.ok()) return ring.error().message;
  auto opener =
      Opener::open(std::move(ring).value(), now->root, rig.disk().directory("root")->open_directory("keys").value());
  if (!opener.ok()) return opener.error().message;
  (*opener)->learn(std::make_shared<const KeyLog>(now->log));
  for (const Value& value : values) {
    const auto plaintext = (*opener)->open(place_in(now->root), value.bytes);
    if (plaintext.ok() && plaintext->text() != value.text) return "'" + value.text + "' reads as something else";
    if (plaintext.ok()) continue;
    if (!value.shredded) return "'" + value.text + "': " + plaintext.error().message;
    if (plaintext.error().code != Code::kPurged) return "shredded '" + value.text + "': " + plaintext.error().message;
  }
  return "";
}

struct Prepared {
  CrashRig rig;
  std::vector<Value> values;
};
Prepared& prepared() {
  static Prepared& made = []() -> Prepared& {
    static Prepared prepared;
    const Roles roles(prepared.rig);
    REQUIRE(make_rings(roles.directories(), "log", {"auditors"}, prepared.rig.clock().now()).ok());
    const Result<void> lived = life(prepared.rig, prepared.values, "first");
    INFO((lived.ok() ? std::string() : lived.error().message));
    REQUIRE(lived.ok());
    return prepared;
  }();
  return made;
}

void each_operation(Fault fault, bool power_lost) {
  Prepared& start = prepared();
  uint64_t operations = 0;
  {
    CrashRig rig(start.rig.disk().clone(), 7);
    std::vector<Value> values = start.values;
    const Result<void> lived = life(rig, values, "n");
    INFO((lived.ok() ? std::string() : lived.error().message));
    REQUIRE(lived.ok());
    INFO(describe(rig.verify()));
    REQUIRE(rig.verify().verdict == verify::Verdict::kPass);
    REQUIRE(judge_values(rig, values) == "");
    operations = rig.disk().operations();
  }
  REQUIRE(operations > 100);
  each_cut(fault, power_lost, 1, operations, [&](const Cut& cut) {
    CrashRig rig(start.rig.disk().clone(), 7);
    std::vector<Value> values = start.values;
    outlive(
        rig, cut, [&] { return life(rig, values, "f"); }, [&] { return life(rig, values, "g"); },
        [&] {
          REQUIRE(judge_values(rig, values) == "");
          const verify::Report after = rig.verify();
          INFO("afterwards: " << describe(after));
          REQUIRE(after.verdict == verify::Verdict::kPass);
        });
  });
}

TEST_CASE("crash: each operation of rotating, re-wrapping and shredding fails with EIO") {
  each_operation(Fault::kIo, false);
}
TEST_CASE("crash: the process dies after each operation of rotating, re-wrapping and shredding") {
  each_operation(Fault::kCrashAfter, false);
}
TEST_CASE("crash: the machine loses power after each operation of rotating, re-wrapping and shredding") {
  each_operation(Fault::kCrashAfter, true);
}

TEST_CASE("verify: a key file that is gone or changed is a finding, a shredded one is not") {
  const auto branch = [] { return std::make_unique<CrashRig>(prepared().rig.disk().clone(), 7); };
  const auto current = [](CrashRig& rig) {
    const Known now = known(rig).value();
    for (const auto& [name, file] : now.log.files()) {
      if (file.state == KeyLog::State::kCurrent) return "root/keys/" + name;
    }
    FAIL("no key is current");
    return std::string();
  };
  const auto counts = [](CrashRig& rig) { return rig.verify().counts; };
  {
    const auto rig = branch();
    CHECK(rig->verify().verdict == verify::Verdict::kPass);
    CHECK(rig->verify().checked.key_files >= 1);
    rig->disk().remove(current(*rig));
    CHECK(counts(*rig).contains("key-missing"));
    CHECK(rig->verify().verdict == verify::Verdict::kFail);
  }
  {
    const auto rig = branch();
    rig->disk().flip_bit(current(*rig), 200);
    CHECK(counts(*rig).contains("key-mismatch"));
    CHECK(rig->verify().verdict == verify::Verdict::kFail);
  }
  {
    const auto rig = branch();
    rig->disk().put("root/keys/data-0000000999-1.key", Buffer{1, 2, 3});  // as a crash leaves one: nobody's
    CHECK(rig->verify().verdict == verify::Verdict::kPass);
    rig->disk().put("root/keys/notes.txt", Buffer{1, 2, 3});
    CHECK(rig->verify().verdict == verify::Verdict::kFail);
  }
}

TEST_CASE("shred: refused while a hold is set") {
  CrashRig rig(prepared().rig.disk().clone(), 7);
  std::vector<Value> values;
  auto writer = rig.open();
  REQUIRE(writer.ok());
  REQUIRE((*writer)->append_and_publish(codec::Hold{"case-1", true, "litigation", "test"}).ok());
  CHECK(shred_some(rig, **writer, values).error().code == Code::kConflict);
  REQUIRE((*writer)->append_and_publish(codec::Hold{"case-1", false, "settled", "test"}).ok());
  CHECK(shred_some(rig, **writer, values).ok());
}

}  // namespace
}  // namespace khipu::tests
