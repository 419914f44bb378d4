// Shredding, and what is deleted of ROOT/keys.
#include "tests/engine/protect/roles.h"

namespace khipu::protect {
namespace {

TEST_CASE("keys: shredding names the files of a session and of a person") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const SubjectName alice{"user", "alice"};
  auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  seal(*sealer, roles.place(), "x", &alice);
  CHECK(files_of_session(sealer->log(), 1).value() == std::vector<std::string>{"data-0000000001-1.key"});
  CHECK(files_of_session(sealer->log(), 2).error().code == Code::kNotFound);  // the pair's number
  CHECK(files_of_session(sealer->log(), 9).error().code == Code::kNotFound);
  CHECK(files_of_subject(*roles.wrapped, roles.root, sealer->log(), alice).value().files ==
        std::vector<std::string>{"data-0000000003-1.key", "subject-0000000002-1.key"});
  CHECK(files_of_subject(*roles.wrapped, roles.root, sealer->log(), {"user", "bob"}).error().code == Code::kNotFound);
  CHECK(session_number("12").value() == 12);
  for (const char* text : {"", "0", "-1", "1x", "4294967296"}) CHECK_FALSE(session_number(text).ok());
}

TEST_CASE("keys: a person is found beside files of others that were changed, or are gone") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const SubjectName alice{"user", "alice"}, bob{"user", "bob"};
  const auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x", &alice);
  seal(*sealer, roles.place(), "x", &bob);
  const KeyLog log = sealer->log();
  roles.disk.flip_bit("root-keys/subject-0000000003-1.key", 200);
  const auto found = files_of_subject(*roles.wrapped, roles.root, log, alice);
  REQUIRE(found.ok());
  CHECK(found->files == std::vector<std::string>{"data-0000000002-1.key", "subject-0000000001-1.key"});
  CHECK(found->unreadable == std::vector<std::string>{"subject-0000000003-1.key"});
  roles.disk.remove("root-keys/subject-0000000003-1.key");
  CHECK(files_of_subject(*roles.wrapped, roles.root, log, alice).ok());
  const auto lost = files_of_subject(*roles.wrapped, roles.root, log, bob);
  CHECK(lost.error().code == Code::kNotFound);
  CHECK_THAT(lost.error().message, ContainsSubstring("keys/subject-0000000003-1.key"));
}

TEST_CASE("keys: of a shredded key nothing stays, also not what a re-wrap made and nobody adopted") {
  Roles roles;
  REQUIRE(roles.make().ok());
  auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  KeyLog log = sealer->log();
  sealer.reset();
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
  const auto again = [&] {
    return rewrap(*roles.wrapped, roles.root, log, load_decrypt_ring(*roles.decrypt).value(),
                  load_recipients(*roles.writer).value());
  };
  codec::Shred shred;
  shred.files = {"data-0000000001-1.key"};
  REQUIRE(again().ok());
  const Buffer left = roles.disk.read("root-keys/data-0000000001-2.key");
  REQUIRE(log.apply(shred).ok());
  CHECK(sweep(*roles.wrapped, log).value().gone == 2);
  CHECK(roles.wrapped->list().value().empty());
  roles.disk.put("root-keys/data-0000000001-2.key", left);
  (void)roles.sealer(log);  // the writer's start
  CHECK(roles.wrapped->list().value().empty());
}

TEST_CASE("keys: what a re-wrap made of a key that was shredded meanwhile goes, and is not listed") {
  Roles roles;
  REQUIRE(roles.make().ok());
  auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  sealer->end_session();
  seal(*sealer, roles.place(), "y");
  KeyLog log = sealer->log();
  sealer.reset();
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
  const KeyLog before = log;
  codec::Shred shred;
  shred.files = {"data-0000000001-1.key"};
  REQUIRE(log.apply(shred).ok());
  Rewrapped done = rewrap(*roles.wrapped, roles.root, before, load_decrypt_ring(*roles.decrypt).value(),
                          load_recipients(*roles.writer).value())
                       .value();
  CHECK(drop_shredded(*roles.wrapped, log, done.list).value() == 1);
  CHECK(names(done.list) == std::vector<std::string>{"data-0000000002-2.key"});
  CHECK_FALSE(roles.disk.exists("root-keys/data-0000000001-2.key"));
  CHECK(roles.disk.exists("root-keys/data-0000000002-2.key"));
}

TEST_CASE("keys: what is no file in the place of one stops no writer, and the rest of a sweep is done") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const SubjectName alice{"user", "alice"};
  auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  seal(*sealer, roles.place(), "y", &alice);
  KeyLog log = sealer->log();
  sealer.reset();
  roles.disk.remove("root-keys/subject-0000000002-1.key");
  const bool folder = GENERATE(false, true);
  const auto other = [&](const std::string& name) {
    if (!folder) return roles.disk.put_other("root-keys/" + name);
    REQUIRE(roles.wrapped->make_directory(name).ok());
  };
  other("subject-0000000002-1.key");
  codec::Shred shred;
  shred.files = {"data-0000000001-1.key"};
  REQUIRE(log.apply(shred).ok());
  other("data-0000000001-0.key");  // no such name: nobody's
  other("data-0000000001-7.key");
  const auto keeps = [&] { return roles.disk.exists("root-keys/data-0000000001-7.key"); };
  SECTION("the writer's start") {
    auto opened = Sealer::open(load_writer_ring(*roles.writer).value(), log,
                               {roles.root, roles.writer.get(), roles.wrapped.get()}, kNoonUs);
    REQUIRE(opened.ok());
    // Alice has another pair.
    CHECK(parse_sealed(seal(**opened, roles.place(), "z", &alice))->key_number == 5);
    CHECK((*opened)->apply(shred).ok());
  }
  SECTION("a sweep") {
    const auto swept = sweep(*roles.wrapped, log);
    REQUIRE(swept.ok());
    CHECK(swept->left == (folder ? std::vector<std::string>{"data-0000000001-7.key"} : std::vector<std::string>{}));
  }
  CHECK(keeps() == folder);
  CHECK_FALSE(roles.disk.exists("root-keys/data-0000000001-1.key"));
}

TEST_CASE("keys: a file dropped under the last number there is does not stop the writer") {
  Roles roles;
  REQUIRE(roles.make().ok());
  for (const char* name : {"data-4294967295-1.key", "data-0000000002-1.key", "subject-0000000003-9.key"}) {
    roles.disk.put(std::string("root-keys/") + name, Buffer{1, 2, 3});
  }
  const SubjectName alice{"user", "alice"};
  const auto sealer = roles.sealer();
  const Buffer value = seal(*sealer, roles.place(), "x"), person = seal(*sealer, roles.place(), "y", &alice);
  CHECK(parse_sealed(value)->key_number == 1);
  CHECK(parse_sealed(person)->key_number == 5);
  CHECK(open_text(*roles.opener(sealer->log()), roles.place(), person) == "y");
}

}  // namespace
}  // namespace khipu::protect
