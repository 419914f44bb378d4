#include "mcp/tools/filter_arguments.h"

#include <algorithm>

#include "engine/query/time_text.h"

namespace khipu::mcp::tools {
namespace {

using query::Answer;
using query::Conditions;
using query::EntityMatcher;
using query::QueryError;

constexpr size_t kValuesMax = 1000;  // of one argument
constexpr size_t kEchoedMax = 20;    // of them in `applied`

std::vector<std::string> texts(const Json& from, const char* name) {
  return from.value(name, std::vector<std::string>());
}

Answer<EntityMatcher> matcher(const Json& from, const std::string& argument) {
  EntityMatcher out;
  out.type = from.at("type");
  out.field = from.at("field");
  out.value = from.at("value");
  const std::optional<query::Match> mode = query::match_mode(from.value("match", "exact"));
  if (!mode) {
    return QueryError("UNKNOWN_VALUE", argument + ".match", from.value("match", ""),
                      "The modes are exact, exact_ci, prefix and contains.");
  }
  out.match = *mode;
  out.current_only = from.value("versions", "any") == "current";
  return out;
}

Answer<query::NamedOwnedValue> custom_value(const std::string& name, const Json& value) {
  if (value.is_string())
    return query::NamedOwnedValue{name, query::OwnedValue(codec::Value::of_text(value.get_ref<const std::string&>()))};
  if (value.is_number_unsigned())
    return query::NamedOwnedValue{name, query::OwnedValue(codec::Value::of_unsigned(value))};
  if (value.is_number_integer())
    return query::NamedOwnedValue{name, query::OwnedValue(codec::Value::of_integer(value))};
  if (value.is_number_float()) return query::NamedOwnedValue{name, query::OwnedValue(codec::Value::of_real(value))};
  const std::string text = value.dump();
  return query::NamedOwnedValue{name, query::OwnedValue(codec::Value::of_json(text))};
}

Answer<Conditions> conditions(const Json& from) {
  for (const auto& [name, value] : from.items()) {
    if (value.is_array() && value.size() > kValuesMax) {
      return QueryError("INVALID_ARGUMENT", name, "",
                        "At most 1,000 values at once: name fewer, ask in parts, or let audit_aggregate group them.");
    }
  }
  Conditions out;
  out.actors = texts(from, "actor");
  out.targets = texts(from, "target");
  out.actions = texts(from, "action");
  out.action_classes = texts(from, "action_class");
  out.outcomes = texts(from, "outcome");
  out.sources = texts(from, "source");
  out.url_prefix = from.value("url_prefix", "");
  out.text = from.value("text", "");
  if (from.contains("actor_match")) {
    KHIPU_TRY_ASSIGN(out.actor_match, matcher(from["actor_match"], "actor_match"));
  }
  if (from.contains("target_match")) {
    for (const Json& one : from["target_match"]) {
      KHIPU_TRY_ASSIGN(EntityMatcher target, matcher(one, "target_match"));
      out.target_matches.push_back(std::move(target));
    }
  }
  if (from.contains("custom")) {
    for (const auto& [name, value] : from["custom"].items()) {
      KHIPU_TRY_ASSIGN(query::NamedOwnedValue custom, custom_value(name, value));
      out.custom.push_back(std::move(custom));
    }
  }
  return out;
}

constexpr std::string_view kFilterNames[] = {"from",        "to",     "tz",           "axis",       "actor",
                                             "actor_match", "target", "target_match", "action",     "action_class",
                                             "outcome",     "source", "not",          "url_prefix", "custom",
                                             "text",        "order",  "order_by",     "hours"};

OrderedJson conditions_json(const Conditions& where, Renderer& renderer) {
  OrderedJson out = OrderedJson::object();
  // What is over is counted, not shown: the answer is about its rows.
  const auto echo = [&](const char* name, const auto& values, const auto& shown) {
    if (values.empty()) return;
    OrderedJson list = OrderedJson::array();
    for (size_t i = 0; i < std::min(values.size(), kEchoedMax); ++i) list.push_back(shown(values[i]));
    if (values.size() > kEchoedMax) list.push_back("(+" + std::to_string(values.size() - kEchoedMax) + " more)");
    out[name] = std::move(list);
  };
  const auto list = [&](const char* name, const std::vector<std::string>& values) {
    echo(name, values, [&](const std::string& value) { return renderer.token(value).text; });
  };
  const auto who = [&](const char* name, const std::vector<std::string>& values) {
    echo(name, values, [&](const std::string& value) { return renderer.ref(value).text; });
  };
  const auto match = [&](const EntityMatcher& one) {
    return OrderedJson{{"type", one.type},
                       {"field", one.field},
                       {"value", render_got(one.value)},
                       {"match", query::name(one.match)},
                       {"versions", one.current_only ? "current" : "any"}};
  };
  who("actor", where.actors);
  if (where.actor_match) out["actor_match"] = match(*where.actor_match);
  who("target", where.targets);
  echo("target_match", where.target_matches, match);
  list("action", where.actions);
  list("action_class", where.action_classes);
  list("outcome", where.outcomes);
  list("source", where.sources);
  if (!where.url_prefix.empty()) out["url_prefix"] = render_got(where.url_prefix);
  for (const query::NamedOwnedValue& value : where.custom)
    out["custom"][value.name] = render_got(value.value.as_text());
  if (!where.text.empty()) out["text"] = render_got(where.text);
  return out;
}

}  // namespace

Answer<FilterArguments> filter_arguments(const Json& arguments, TimeUs now) {
  FilterArguments out;
  out.tz = arguments.value("tz", "");
  const std::string from = arguments.value("from", ""), to = arguments.value("to", "");
  KHIPU_TRY_ASSIGN(const query::TimeWindow window, query::resolve_window(from, to, out.tz, now));
  out.filter.from = window.from;
  out.filter.to = window.to;
  out.filter.axis = arguments.value("axis", "occurred") == "recorded" ? query::Axis::kRecorded : query::Axis::kOccurred;
  if (arguments.contains("hours")) {
    const Json& hours = arguments["hours"];
    KHIPU_TRY_ASSIGN(out.filter.outside_hours,
                     query::parse_office_hours(hours.value("outside", ""), hours.value("days", ""), out.tz));
  }
  if (!from.empty()) out.given_window["from"] = render_got(from);
  if (!to.empty()) out.given_window["to"] = render_got(to);
  KHIPU_TRY_ASSIGN(out.filter.where, conditions(arguments));
  if (arguments.contains("not")) {
    Answer<Conditions> excluded = conditions(arguments["not"]);
    if (!excluded.ok()) return query::within("not", std::move(excluded).error());
    out.filter.where_not = std::move(excluded).value();
  }
  Json given = Json::object();
  for (const std::string_view name : kFilterNames) {
    if (arguments.contains(name)) given[std::string(name)] = arguments[std::string(name)];
  }
  if (!given.empty()) out.given = given.dump();
  return out;
}

OrderedJson applied_json(const query::Filter& filter, Renderer& renderer) {
  OrderedJson out = {{"log", filter.log == query::Log::kAccess ? "access" : "events"}};
  out.update(conditions_json(filter.where, renderer));
  if (filter.outside_hours) {
    out["hours"] = {{"outside", query::hours_text(*filter.outside_hours)},
                    {"days", query::days_text(*filter.outside_hours)},
                    {"tz", filter.outside_hours->tz.empty() ? "UTC" : filter.outside_hours->tz}};
  }
  if (!filter.where_not.empty()) out["not"] = conditions_json(filter.where_not, renderer);
  return out;
}

OrderedJson applied_json(const query::Filter& filter, const query::Order& order, Renderer& renderer) {
  OrderedJson out = applied_json(filter, renderer);
  out["order_by"] = order.by == query::OrderBy::kTime ? "time" : "seq";
  out["order"] = order.descending ? "desc" : "asc";
  return out;
}

}  // namespace khipu::mcp::tools
