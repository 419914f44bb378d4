// audit_prove: what it says was checked, what it links can be made again and checked, and nobody without the grant gets
// either.
#include "engine/proof/check.h"
#include "engine/tree/note.h"
#include "mcp/tools/proof_document.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

// Two publications: 3 and 7 events.
struct Published : Desk {
  Published() : Desk() {
    for (const int events : {3, 4}) {
      for (int i = 0; i < events; ++i) log.add({.actor = user("u-" + std::to_string(i)), .action = "PUT"});
      log.restart();
    }
    all_tools = tools::make_tools(fresh());
  }
  // restart() makes the engine and the store anew.
  tools::AuditContext& fresh() {
    again.emplace(tools::AuditContext{log.engine(), log.store(), std::nullopt, "root"});
    return *again;
  }
  tree::VerifierKey key() {
    const auto snapshot = log.store().snapshot();
    return {(*snapshot)->genesis().origin, tree::KeyType::kEd25519, (*snapshot)->genesis().verifier};
  }
  std::optional<tools::AuditContext> again;
};

}  // namespace

TEST_CASE("prove: events are proven, and the linked documents are right by themselves") {
  Published desk;
  const server::ToolResult result =
      desk.call("audit_prove", {{"kind", "inclusion"}, {"seq", {0, 6}}, {"format", "bundle"}});
  REQUIRE_FALSE(result.is_error);
  const OrderedJson& answer = *result.structured;
  CHECK(answer.at("verdict") == "right");
  REQUIRE(answer.at("proofs").size() == 2);
  CHECK(answer.at("proofs")[1].at("seq") == 6);
  CHECK(answer.at("proofs")[1].at("tree_size") == 7);
  CHECK(answer.at("proofs")[1].at("root").get<std::string>().size() == 19);  // never a whole hash
  CHECK(table_rows(result.text, "seq,tree_size,root,").size() == 2);
  CHECK(header(result.text, "statement") == answer.at("statement"));
  REQUIRE(result.links.size() == 2);
  for (const server::ResourceLink& link : result.links) {
    const auto name = tools::parse_proof_uri(link.uri);
    REQUIRE(name.has_value());
    const auto document = tools::make_proof(desk.log.store(), *name);
    REQUIRE(document.ok());
    const proof::CheckedEvent checked = proof::check(std::get<proof::EventBundle>(*document), desk.key());
    CHECK(checked.right);
    CHECK(checked.table.size == 7);
    CHECK(link.mime_type == "application/json");
  }
  CHECK(desk.call("audit_prove", {{"kind", "inclusion"}, {"seq", 6}}).links.empty());  // a summary
}

TEST_CASE("prove: against an older checkpoint, and that the later one extends it") {
  Published desk;
  const OrderedJson old = desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", 2}, {"at", 2}});
  CHECK(old.at("proofs")[0].at("tree_size") == 3);
  const server::ToolResult both =
      desk.call("audit_prove", {{"kind", "consistency"}, {"from_size", 3}, {"to_size", 7}, {"format", "bundle"}});
  REQUIRE_FALSE(both.is_error);
  REQUIRE(both.links.size() == 1);
  const auto document = tools::make_proof(desk.log.store(), *tools::parse_proof_uri(both.links[0].uri));
  REQUIRE(document.ok());
  CHECK(proof::check(std::get<proof::ConsistencyBundle>(*document), desk.key()).right);
}

TEST_CASE("prove: a published checkpoint, line by line, is a note that verifies") {
  Published desk;
  const OrderedJson answer = desk.good("audit_prove", {{"kind", "checkpoint"}});
  std::string text;
  for (const OrderedJson& line : answer.at("checkpoint")) text += line.get<std::string>() + "\n";
  const auto note = tree::parse_note(text);
  REQUIRE(note.ok());
  CHECK(tree::verify_note(*note, {desk.key()}).accepted());
  CHECK(desk.good("audit_prove", {{"kind", "checkpoint"}, {"at", 1}}).at("tree_size") < answer.at("tree_size"));
}

TEST_CASE("prove: what cannot be proven is an error that says why") {
  Published desk;
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}}).at("field") == "seq");
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 7}}).at("code") == "NOT_FOUND");
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 6}, {"at", 2}}).at("code") == "NOT_FOUND");
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 6}, {"at", 99}}).at("code") == "NOT_FOUND");
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 0}, {"from_size", 3}}).at("field") == "from_size");
  CHECK(desk.bad("audit_prove", {{"kind", "consistency"}, {"from_size", 3}}).at("field") == "from_size");
  CHECK(desk.bad("audit_prove", {{"kind", "consistency"}, {"from_size", 4}, {"to_size", 7}}).at("code") == "NOT_FOUND");
  CHECK(desk.bad("audit_prove", {{"kind", "consistency"}, {"from_size", 7}, {"to_size", 3}}).at("code") ==
        "INVALID_ARGUMENT");
  CHECK(desk.bad("audit_prove", {{"kind", "consistency"}, {"from_size", 3}, {"to_size", 7}, {"at", 1}}).at("field") ==
        "at");
  CHECK(desk.bad("audit_prove", {{"kind", "checkpoint"}, {"at", 99}}).at("code") == "NOT_FOUND");
  CHECK(desk.bad("audit_prove", {{"kind", "verdict"}}).at("field") == "kind");
  CHECK(desk.bad("audit_prove", Json::object()).at("field") == "kind");
  Json many = Json::array();
  for (int i = 0; i < 21; ++i) many.push_back(0);
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", many}}).at("field") == "seq");
  desk.context.caller.grants = {"query", "verify"};
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 0}}).at("code") == "FORBIDDEN");
}

TEST_CASE("prove: a name of a document is one text") {
  for (const tools::ProofName& name : {tools::ProofName{false, 0, 1}, tools::ProofName{true, 3, 18446744073709551615U}})
    CHECK(tools::parse_proof_uri(tools::proof_uri(name)) == name);
  for (const char* text : {"", "khipu://proof/inclusion/", "khipu://proof/inclusion/1", "khipu://proof/inclusion/1/",
                           "khipu://proof/inclusion/01/2", "khipu://proof/inclusion/1/2/3", "khipu://proof/x/1/2",
                           "khipu://proof/inclusion/1/18446744073709551616", "khipu://proof/inclusion/-1/2",
                           "file:///etc/passwd", "khipu://proof/inclusion/1/2?x"}) {
    INFO(text);
    CHECK_FALSE(tools::parse_proof_uri(text).has_value());
  }
}
