// What an empty answer says of values that the log does not know.
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

// "argument: value" of each note.
std::vector<std::string> nearest(const std::vector<Note>& notes) {
  std::vector<std::string> found;
  for (const Note& note : notes) {
    if (note.code != "NEAREST_KNOWN") continue;
    const size_t at = note.text.find("given in ") + 9;
    found.push_back(note.text.substr(at, note.text.find(' ', at) - at) + ": " + note.subject);
  }
  return found;
}
std::vector<std::string> asked(Engine& engine, const Conditions& conditions) {
  EventRequest request;
  request.filter = Filter{};
  request.filter->where = conditions;
  const EventPage page = good(engine.events(request));
  REQUIRE(page.total == 0);
  AggregateRequest count;
  count.filter = *request.filter;
  CHECK(nearest(good(engine.aggregate(count)).notes) == nearest(page.notes));
  SampleRequest sample;
  sample.filter = *request.filter;
  sample.n = 1;
  CHECK(nearest(good(engine.sample(sample)).notes) == nearest(page.notes));
  return nearest(page.notes);
}
Conditions source(std::string value) {
  Conditions c;
  c.sources = {std::move(value)};
  return c;
}
Conditions action(std::string value) {
  Conditions c;
  c.actions = {std::move(value)};
  return c;
}
Conditions tenant(std::string_view value) {
  Conditions c;
  c.custom = {{"tenant", OwnedValue(codec::Value::of_text(value))}};
  return c;
}
using Words = std::vector<std::string>;

// Hides the column tenant, and what stands in it wherever it stands.
struct HidesTenant : Masking {
  bool hides_field(std::string_view name) const override { return name == "tenant"; }
  std::vector<Stretch> hidden(std::string_view text, const std::vector<std::string>& values) const override {
    for (const std::string& value : values) {
      if (const size_t at = text.find(value); at != std::string_view::npos) return {{at, at + value.size()}};
    }
    return {};
  }
  std::vector<Stretch> hidden_of_url(std::string_view url, const std::vector<std::string>& values) const override {
    return hidden(url, values);
  }
};

}  // namespace

TEST_CASE("query: an empty answer names the nearest known source, action and column value, with indexes or not") {
  TestLog log(6000);
  const int events = GENERATE(1, 60);
  for (int i = 0; i < events; ++i) {
    log.add({.action = "login",
             .targets = {doc("d-1")},
             .source = "billing",
             .custom = {{"tenant", OwnedValue(codec::Value::of_text("acme"))}}});
  }
  if (events > 1) log.wait_until_indexed();
  Engine& engine = log.engine();
  CHECK(asked(engine, source("biling")) == Words{"source: billing"});
  CHECK(asked(engine, action("logn")) == Words{"action: login"});
  CHECK(asked(engine, tenant("acm")) == Words{"custom.tenant: acme"});
  CHECK(asked(engine, action("quite another")).empty());
  Conditions both = source("billin");
  both.actions = {"LOGIN"};
  CHECK(asked(engine, both) == Words{"source: billing", "action: login"});
  EventRequest who;
  who.filter = Filter{};
  who.filter->where.actors = {"usr:u-1"};
  CHECK(engine.events(who).error().did_you_mean == "user");
  // Known, but not together.
  Conditions known = source("billing");
  known.actions = {"nothing near"};
  CHECK(asked(engine, known).empty());
}

TEST_CASE("query: the nearest known value is one of the caller's scope, and none that is masked") {
  TestLog log;
  const auto of = [](std::string_view text) { return OwnedValue(codec::Value::of_text(text)); };
  log.add({.action = "layoffs", .source = "payroll", .custom = {{"tenant", of("acme")}}});
  log.add({.action = "layout", .source = "billing", .custom = {{"tenant", of("beta")}}});
  log.add({.action = "copy acme", .source = "billing", .custom = {{"tenant", of("acme")}}});
  Engine& all = log.engine();
  CHECK(asked(all, source("payrol")) == Words{"source: payroll"});
  CHECK(asked(all, action("layoff")) == Words{"action: layoffs"});
  CHECK(asked(all, action("copy acm")) == Words{"action: copy acme"});

  const auto billing = all.scoped({{}, {"billing"}, {}});
  CHECK(asked(*billing, source("payrol")).empty());
  CHECK(asked(*billing, action("layoff")) == Words{"action: layout"});
  CHECK(asked(*billing, source("biling")) == Words{"source: billing"});

  const HidesTenant masking;
  const auto masked = all.scoped({}, &masking);
  CHECK(asked(*masked, tenant("acm")).empty());
  CHECK(asked(*masked, action("copy acm")).empty());
  CHECK(asked(*masked, source("biling")) == Words{"source: billing"});
}
