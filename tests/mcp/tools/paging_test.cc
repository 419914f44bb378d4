// What goes on behind a page, and what an answer says of the question: cursors, reasons, echoes and notes in bounds.
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

TEST_CASE("errors: the server's own examples are not marked as text of the log") {
  Desk desk;
  for (const Json& asked : {Json{{"from", "x"}}, Json{{"from", "2026-02-01"}, {"to", "2026-01-01"}},
                            Json{{"from", "2026-06-15T10:00:00"}}}) {
    const OrderedJson error = desk.bad("audit_query", asked);
    INFO(error.dump());
    CHECK((error.contains("allowed") || error.contains("did_you_mean")));
    CHECK(error.dump().find("\xE2\x9F\xA6") == std::string::npos);
  }
}
