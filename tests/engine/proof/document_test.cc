// Proof documents as JSON: strict, and the same document after a round.
#include "engine/proof/document.h"

#include "tests/engine/proof/made_log.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::proof;
using proof::tests::MadeLog;

TEST_CASE("document: each kind comes back as it was") {
  MadeLog log;
  const EventBundle event = log.bundle(10);
  const ConsistencyBundle consistency{log.checkpoint(TableId::kLogs), log.checkpoint(TableId::kLogs), {Hash{}}};
  const RangeBundle range = log.range(2, 5);
  for (const Document& document : {Document(event), Document(consistency), Document(range)}) {
    const auto again = parse_document(format_document(document));
    REQUIRE(again.ok());
    CHECK(*again == document);
  }
}

TEST_CASE("document: what is not one is refused with the member that is wrong") {
  MadeLog log;
  const std::string good = format_document(log.bundle(3));
  const auto refusal = [](const std::string& text) {
    const auto document = parse_document(text);
    return document.ok() ? std::string("accepted") : document.error().message;
  };
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  REQUIRE(refusal(good) == "accepted");
  CHECK_THAT(refusal(""), ContainsSubstring("not JSON"));
  CHECK_THAT(refusal("\xef\xbb\xbf" + good), ContainsSubstring("not JSON"));
  CHECK_THAT(refusal(good + '\0'), ContainsSubstring("not JSON"));
  CHECK_THAT(refusal("[]"), ContainsSubstring("expected an object"));
  CHECK_THAT(refusal(std::string(100000, '[')), ContainsSubstring("not JSON"));
  CHECK_THAT(refusal("{\"seq\":[" + std::string(100000, ',') + "]}"), ContainsSubstring("not JSON"));
  CHECK(refusal(with("\"table_proof\": \"", "\"table_proof\": \"[[[[{{{{\\\"[[")) ==
        "accepted");  // an origin may hold them
  CHECK_THAT(refusal(with("\"seq\": 3", "\"seq\": 1, \"seq\": 3")), ContainsSubstring("is there twice"));
  CHECK_THAT(refusal(with("{\n      \"record\"", "{\"proof\": \"\", \"record\"")), ContainsSubstring("is there twice"));
  CHECK_THAT(refusal("{}"), ContainsSubstring("format: missing"));
  CHECK_THAT(refusal(with("khipu-bundle/v1", "khipu-bundle/v2")), ContainsSubstring("expected khipu-bundle/v1"));
  CHECK_THAT(refusal(with("\"seq\": 3", "\"seq\": -3")), ContainsSubstring("seq: expected a whole number"));
  CHECK_THAT(refusal(with("\"seq\": 3", "\"seq\": 3, \"extra\": 1")), ContainsSubstring("do not belong"));
  CHECK_THAT(refusal(with("\"seq\"", "\"sequence\"")), ContainsSubstring("seq: missing"));
  CHECK_THAT(refusal(with("\"record\": \"", "\"record\": \"!")), ContainsSubstring("record: expected base64"));
  CHECK_THAT(refusal(with("\"pinned\": [", "\"pinned\": [1,")), ContainsSubstring("pinned"));
}
