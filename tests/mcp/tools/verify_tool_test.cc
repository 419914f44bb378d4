// audit_verify since the last pass, against a checkpoint, and when it takes longer than a call may.
#include "mcp/tools/verify_job.h"

#include "engine/crypto/key_file.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "engine/tree/tree.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

std::string signed_note(Desk& desk, uint64_t size, const Hash& root) {
  const crypto::Key key = crypto::parse_key(desk.log.disk().read("keys/signing.key")).value();
  tree::Note note;
  note.text = tree::format_checkpoint({key.name + "/logs", size, root, {}});
  tree::sign_note(note, key.name + "/logs", crypto::signing_key(key).value());
  return tree::format_note(note);
}

}  // namespace

TEST_CASE("verify: since the last pass, and against a checkpoint the caller kept") {
  Desk desk;
  for (const char* action : {"FIRST", "SECOND", "THIRD"}) desk.log.add({.action = action});
  const OrderedJson first = desk.good("audit_verify", {{"scope", "since_last"}});
  CHECK(first.at("verdict") == "pass");
  CHECK(first.at("scope") == "full");
  desk.log.add({.action = "FOURTH"});
  const OrderedJson second = desk.good("audit_verify", {{"scope", "since_last"}});
  CHECK(second.at("verdict") == "pass");
  CHECK(second.at("scope") == "since");
  CHECK(second.at("since").at("commit").is_number());
  // The state is the server's own: it is nothing that the caller kept.
  CHECK(second.at("basis") == first.at("basis"));
  CHECK(second.at("does_not_show") == desk.good("audit_verify", {{"scope", "full"}}).at("does_not_show"));
  const Hash root = tree::leaf_hash(as_bytes("another past"));
  const OrderedJson fork = desk.good("audit_verify", {{"against", signed_note(desk, 2, root)}});
  CHECK(fork.at("verdict") == "fail");
  CHECK(fork.at("first_break").at("code") == "fork");
  CHECK(fork.at("first_break").at("signed_heads").at(0).at(1) == "2");
  const OrderedJson rollback = desk.good("audit_verify", {{"against", signed_note(desk, 5000, root)}});
  CHECK(rollback.at("first_break").at("code") == "rollback");
  const std::string good = signed_note(desk, 0, tree::empty_root());
  const OrderedJson extended = desk.good("audit_verify", {{"against", good}});
  CHECK(extended.at("verdict") == "pass");
  CHECK(extended.at("basis").back() == "caller_supplied_checkpoint");
  CHECK(desk.bad("audit_verify", {{"against", "yesterday"}}).at("code") == "INVALID_ARGUMENT");
  const OrderedJson none = desk.bad("audit_verify", {{"against", "4000000"}});
  CHECK(none.at("code") == "NOT_FOUND");
  CHECK(none.at("field") == "against");
  const OrderedJson no_note = desk.bad("audit_verify", {{"against", "x\ny"}});
  CHECK(no_note.at("code") == "INVALID_ARGUMENT");
  CHECK(no_note.at("field") == "against");
  const OrderedJson behind = desk.bad("audit_verify", {{"scope", "range"}, {"from_seq", 4000}});
  CHECK(behind.at("code") == "INVALID_ARGUMENT");
  CHECK(behind.at("field") == "from_seq");
  CHECK_THAT(behind.at("hint").get<std::string>(), ContainsSubstring("which has 4 events"));
  const OrderedJson over = desk.bad("audit_verify", {{"scope", "range"}, {"from_seq", 0}, {"to_seq", 9000}});
  CHECK(over.at("code") == "INVALID_ARGUMENT");
  CHECK(over.at("field") == "to_seq");
}

TEST_CASE("verify: a check that takes longer goes on, and the same call waits for its verdict") {
  Desk desk;
  for (const char* action : {"FIRST", "SECOND"}) desk.log.add({.action = action});
  tools::VerifyJob job(desk.log.store().root());
  using Kind = tools::VerifyJob::Outcome::Kind;
  CHECK(job.wait("a", {}, 0, desk.context).kind == Kind::kUnderWay);
  CHECK(job.wait("b", {}, 0, desk.context).kind == Kind::kUnderWay);  // nobody waits for the first any more
  const tools::VerifyJob::Outcome outcome = job.wait("b", {}, 60'000, desk.context);
  REQUIRE(outcome.kind == Kind::kDone);
  REQUIRE(outcome.report->ok());
  CHECK(outcome.report->value().verdict == verify::Verdict::kPass);
  desk.context.cancel();
  CHECK(job.wait("c", {}, 60'000, desk.context).kind == Kind::kUnderWay);
}
