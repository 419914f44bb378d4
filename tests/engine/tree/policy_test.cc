// Trust policies: what is refused, with the line, and when a quorum is met.
#include "engine/tree/policy.h"

#include "engine/crypto/signature.h"
#include "tests/support/catch.h"

using namespace khipu;
using tree::KeyType;
using tree::Policy;
using tree::VerifierKey;

namespace {

std::string vkey(const std::string& name, KeyType type, uint8_t seed) {
  VerifierKey key;
  key.name = name;
  key.type = type;
  key.key.fill(seed);
  return key.text();
}
std::string refusal(const std::string& text) {
  const auto policy = Policy::parse(text);
  return policy.ok() ? "" : policy.error().message;
}

}  // namespace

TEST_CASE("policy: comments, blanks, tabs and addresses are allowed") {
  const auto policy = Policy::parse("# who\n\n \tlog\t" + vkey("log.example", KeyType::kEd25519, 1) +
                                    "  https://log.example/ \n  # more\nquorum none\n");
  REQUIRE(policy.ok());
  CHECK(policy->logs().size() == 1);
}

TEST_CASE("policy: each mistake is refused and named with its line") {
  const std::string log = "log " + vkey("log.example", KeyType::kEd25519, 1) + "\n";
  const std::string a = "witness a " + vkey("w.example/a", KeyType::kCosignature, 2) + "\n";
  const std::string b = "witness b " + vkey("w.example/b", KeyType::kCosignature, 3) + "\n";
  CHECK(refusal(log + a + b + "group g 2 a b\nquorum g\n").empty());
  CHECK_THAT(refusal(log), ContainsSubstring("no quorum"));
  CHECK_THAT(refusal(log + "quorum none"), ContainsSubstring("line 2: the last line does not end"));
  CHECK_THAT(refusal(log + "quorum none\nquorum none\n"), ContainsSubstring("line 3: a second quorum"));
  CHECK_THAT(refusal(log + log + "quorum none\n"), ContainsSubstring("line 2: a log's key is listed twice"));
  CHECK_THAT(refusal(a + a), ContainsSubstring("line 2: a witness's key is listed twice"));
  CHECK_THAT(refusal(a + "witness a " + vkey("w", KeyType::kCosignature, 9) + "\n"),
             ContainsSubstring("line 2: a name is defined twice"));
  CHECK_THAT(refusal("witness none " + vkey("w", KeyType::kCosignature, 9) + "\n"), ContainsSubstring("predefined"));
  CHECK_THAT(refusal("log " + vkey("w", KeyType::kCosignature, 9) + "\n"), ContainsSubstring("Ed25519"));
  CHECK_THAT(refusal("witness a " + vkey("w", KeyType::kEd25519, 9) + "\n"), ContainsSubstring("cosignature key"));
  CHECK_THAT(refusal(a + "group g any b\n"), ContainsSubstring("line 2: a member that is not defined above"));
  CHECK_THAT(refusal(a + "group g any a a\n"), ContainsSubstring("twice of this one"));
  CHECK_THAT(refusal(a + "group g any a\ngroup h any a\n"), ContainsSubstring("line 3"));
  for (const char* threshold : {"0", "01", "3", "-1", "both", "18446744073709551616"}) {
    CHECK_THAT(refusal(a + b + "group g " + threshold + " a b\n"), ContainsSubstring("threshold"));
  }
  CHECK_THAT(refusal(a + "group g any\n"), ContainsSubstring("line 2: expected group"));
  CHECK_THAT(refusal("quorum g\n"), ContainsSubstring("not defined above"));
  CHECK_THAT(refusal("allow all\n"), ContainsSubstring("line 1: expected log, witness, group or quorum"));
  CHECK_THAT(refusal("quorum\vnone\n"), ContainsSubstring("control characters"));
  CHECK_THAT(refusal(std::string(tree::kPolicySizeMax + 1, '#')), ContainsSubstring("256 KiB"));
}

TEST_CASE("policy: nobody signed is not accepted, and neither is a known key's wrong signature beside a right one") {
  const crypto::SigningKey key = crypto::SigningKey::generate();
  const VerifierKey log{"log.example", KeyType::kEd25519, key.public_key()};
  tree::Note note{"log.example\n0\n\n", {}};
  note.text = "log.example\n0\nAAAA\n";
  CHECK_FALSE(Policy::of(log).accepts(note, "log.example"));
  tree::sign_note(note, "log.example", key);
  CHECK(Policy::of(log).accepts(note, "log.example"));
  CHECK_FALSE(Policy::of(log).accepts(note, "log.example/2"));
  note.signatures.push_back(note.signatures.front());
  note.signatures.back().signature.back() ^= 1;
  CHECK_FALSE(Policy::of(log).accepts(note, "log.example"));
}
