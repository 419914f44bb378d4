#include "engine/auth/tokens.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"
#include "tests/support/temp_directory.h"

using namespace khipu;

namespace {

auth::Token named(const std::string& name, std::vector<auth::Grant> grants = {auth::Grant::kIngest}) {
  auth::Token token;
  token.name = name;
  token.grants = std::move(grants);
  return token;
}

struct Keys {
  tests::TempDirectory folder;
  std::unique_ptr<os::Directory> directory = std::move(os::open_directory(folder.path())).value();
  tests::FakeRandom random;
  tests::FakeClock clock;
  std::string file() const {
    std::ifstream in(folder / "tokens");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  Result<std::string> mint(auth::Token token) { return auth::mint(*directory, random, clock.now(), std::move(token)); }
};

}  // namespace

TEST_CASE("tokens: a minted token is found, and the file holds no part of it but its hash") {
  Keys keys;
  const std::string text = keys.mint(named("billing")).value();
  REQUIRE(text.size() == 47);
  REQUIRE(text.substr(0, 4) == "khp_");
  const auth::Tokens tokens = auth::load_tokens(*keys.directory).value();
  const auth::Token* found = tokens.find(text, keys.clock.now());
  REQUIRE(found != nullptr);
  REQUIRE(found->name == "billing");
  REQUIRE(found->may(auth::Grant::kIngest));
  REQUIRE_FALSE(found->may(auth::Grant::kQuery));
  REQUIRE(keys.file().find(text.substr(4)) == std::string::npos);
  struct stat status {};
  REQUIRE(::stat((keys.folder / "tokens").c_str(), &status) == 0);
  REQUIRE((status.st_mode & 0777) == 0600);
}

TEST_CASE("tokens: unknown, hashed, cut and expired ones are all not found (REFERENCE 31)") {
  Keys keys;
  auth::Token wanted = named("ci");
  wanted.expires = keys.clock.now() + 1000;
  const std::string text = keys.mint(std::move(wanted)).value();
  const auth::Tokens tokens = auth::load_tokens(*keys.directory).value();
  REQUIRE(tokens.find(text, keys.clock.now() + 999) != nullptr);
  REQUIRE(tokens.find(text, keys.clock.now() + 1000) == nullptr);
  REQUIRE(tokens.find(text.substr(0, 46), keys.clock.now()) == nullptr);
  REQUIRE(tokens.find(text + "A", keys.clock.now()) == nullptr);
  REQUIRE(tokens.find(hex(tokens.list()[0].hash), keys.clock.now()) == nullptr);
  REQUIRE(tokens.find("", keys.clock.now()) == nullptr);
}

TEST_CASE("tokens: a name is given once until it is revoked") {
  Keys keys;
  const std::string first = keys.mint(named("a")).value();
  REQUIRE(keys.mint(named("a")).error().code == Code::kConflict);
  REQUIRE(auth::revoke(*keys.directory, "a").ok());
  REQUIRE(auth::revoke(*keys.directory, "a").error().code == Code::kNotFound);
  const std::string second = keys.mint(named("a")).value();
  REQUIRE(first != second);
  const auth::Tokens tokens = auth::load_tokens(*keys.directory).value();
  REQUIRE(tokens.find(first, keys.clock.now()) == nullptr);
  REQUIRE(tokens.find(second, keys.clock.now()) != nullptr);
}

TEST_CASE("tokens: what the file says is what was written, and nothing else is taken") {
  Keys keys;
  REQUIRE(keys.mint(named("b", {auth::Grant::kVerify, auth::Grant::kIngest, auth::Grant::kIngest})).ok());
  REQUIRE(keys.mint(named("a")).ok());
  const std::string text = keys.file();
  REQUIRE(auth::Tokens::parse(text).value().format() == text);
  for (size_t i = 0; i < text.size(); ++i) {  // a cut file is refused unless it ends between two tokens
    const Result<auth::Tokens> cut = auth::Tokens::parse(text.substr(0, i));
    REQUIRE((!cut.ok() || cut->format() == text.substr(0, i)));
  }
  const std::string line = "token a " + std::string(64, 'a') + " ingest 2026-06-15T05:07:07.000000Z never\n";
  const auto parses = [](const std::string& lines) { return auth::Tokens::parse("khipu-tokens/1\n" + lines).ok(); };
  REQUIRE(parses(line));
  REQUIRE_FALSE(parses(line + line));                        // the same name, and the same hash
  REQUIRE_FALSE(parses("token b" + line.substr(7) + line));  // out of order
  REQUIRE_FALSE(parses(" " + line));
  REQUIRE_FALSE(parses(line.substr(0, line.size() - 1) + " more\n"));
  REQUIRE_FALSE(parses("token a " + std::string(64, 'A') + " ingest 2026-06-15T05:07:07Z never\n"));
  REQUIRE_FALSE(parses("token a " + std::string(64, 'a') + " admin 2026-06-15T05:07:07Z never\n"));
  REQUIRE_FALSE(parses("token a " + std::string(64, 'a') + " query,ingest 2026-06-15T05:07:07Z never\n"));
  REQUIRE(auth::Tokens::parse("khipu-tokens/2\n").error().code == Code::kUnsupported);
}

TEST_CASE("tokens: a file others may read is refused, no file means no tokens") {
  Keys keys;
  REQUIRE(auth::load_tokens(*keys.directory).value().list().empty());
  REQUIRE(keys.mint(named("a")).ok());
  REQUIRE(::chmod((keys.folder / "tokens").c_str(), 0640) == 0);
  REQUIRE(auth::load_tokens(*keys.directory).error().code == Code::kForbidden);
  REQUIRE(keys.mint(named("b")).error().code == Code::kForbidden);
}

TEST_CASE("tokens: a scope is written in one way, whatever bytes its words hold, and read back") {
  Keys keys;
  auth::Token wanted = named("auditor", {auth::Grant::kQuery});
  wanted.types = {"user", "account", "user"};
  wanted.sources = {"a b,c%", "\xC3\xA9\n"};
  const std::string text = keys.mint(std::move(wanted)).value();
  const auth::Tokens tokens = auth::load_tokens(*keys.directory).value();
  const auth::Token* found = tokens.find(text, keys.clock.now());
  REQUIRE(found != nullptr);
  CHECK(found->types == std::vector<std::string>{"account", "user"});
  CHECK(found->sources == std::vector<std::string>{"a b,c%", "\xC3\xA9\n"});
  CHECK(tokens.format() == keys.file());
  CHECK_THAT(keys.file(), ContainsSubstring(" never types=account,user sources=a%20b%2Cc%25,%C3%A9%0A\n"));
  const auto parses = [](const std::string& scope) {
    return auth::Tokens::parse("khipu-tokens/1\ntoken a " + std::string(64, 'a') +
                               " query 2026-06-15T05:07:07.000000Z never" + scope + "\n")
        .ok();
  };
  CHECK(parses(" types=a,b sources=c"));
  for (const char* bad : {" types=", " types=b,a", " types=a,a", " types=a,,b", " types=%61", " types=%2", " types=%2c",
                          " sources=a types=b", " types=a types=b", " tenants=a", " types=a ", " types=a\x01"}) {
    INFO(bad);
    CHECK_FALSE(parses(bad));
  }
}
