// audit_aggregate: how many, by whom, when. Groups that add up to the total, whatever the budget cut.
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/event_flags.h"
#include "mcp/tools/filter_arguments.h"
#include "mcp/tools/result_builder.h"
#include "mcp/tools/secrets.h"

namespace khipu::mcp::tools {
namespace {

// How many groups go and what the others hold.
struct Cut {
  size_t groups = 0;
  uint64_t other_groups = 0, other_count = 0, other_previous = 0;
  bool buckets_complete = true;
};

Cut cut(const query::Aggregate& answer, size_t groups) {
  Cut cut{groups, answer.other_groups, answer.other_count, answer.other_previous, answer.buckets_complete};
  for (size_t i = groups; i < answer.groups.size(); ++i) {
    ++cut.other_groups;
    cut.other_count += answer.groups[i].count;
    cut.other_previous += answer.groups[i].previous;
  }
  if (groups == 0 || groups == answer.groups.size()) return cut;
  // In the middle of a series when the next group differs in its time alone.
  const std::vector<query::GroupValue>&here = answer.groups[groups - 1].key, &next = answer.groups[groups].key;
  bool by_time = false, same = true;
  for (size_t i = 0; i < here.size(); ++i) {
    const bool is_time = answer.group_by[i].by == query::GroupBy::kTime;
    by_time |= is_time;
    same &= is_time || (here[i].text == next[i].text && here[i].none == next[i].none);
  }
  if (by_time && same) cut.buckets_complete = false;
  return cut;
}

class AggregateTool final : public AuditTool {
 public:
  explicit AggregateTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_aggregate") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    const query::Answer<FilterArguments> filter = filter_arguments(given, context.now());
    if (!filter.ok()) return error_result(filter.error(), renderer);
    query::AggregateRequest request;
    request.filter = filter->filter;
    request.tz = filter->tz;
    request.interval = given.value("interval", "");
    request.top = given.value("top", 20U);
    request.by_peak = given.value("rank_by", "total") == "max_bucket";
    request.previous = given.contains("compare");
    request.stop = context.stop();
    for (const std::string& word : given.value("group_by", std::vector<std::string>())) {
      query::Answer<query::GroupKey> key = query::group_key(word);
      if (!key.ok()) return error_result(key.error(), renderer);
      request.group_by.push_back(std::move(key).value());
    }
    const query::Answer<query::Metric> metric = query::metric(given.value("metric", "count"));
    if (!metric.ok()) return error_result(metric.error(), renderer);
    request.metric = *metric;
    const query::Labels labels = flag_labels();
    request.labels = &labels;
    const query::Answer<query::Aggregate> found = audit().engine_for(context.caller())->aggregate(request);
    if (!found.ok()) return error_result(found.error(), renderer);

    const size_t budget_bytes = given.value("max_tokens", size_t{4000}) * 3;
    size_t groups = found->groups.size();
    for (;;) {
      Renderer fresh(context.mark_tag());
      server::ToolResult result = present(*found, cut(*found, groups), request, *filter, arguments.coercions, fresh);
      const size_t size = size_bytes_of(result);
      if (size <= budget_bytes || groups <= 1) return result;
      // At least a tenth less each time, so that a few rounds do.
      groups = std::min(groups * 9 / 10, std::max<size_t>(1, groups * budget_bytes / size));
    }
  }

 private:
  static std::string key_text(const query::GroupKey& key, const query::GroupValue& value, Renderer& renderer) {
    if (value.none) return "(none)";
    switch (key.by) {
      case query::GroupBy::kTime:
      case query::GroupBy::kHourOfDay:
      case query::GroupBy::kWeekday:
      case query::GroupBy::kActionClass:
      case query::GroupBy::kOutcome:
      case query::GroupBy::kFlags: return value.text;
      case query::GroupBy::kColumn:
        if (is_secret_name(key.column)) return renderer.field(key.column, value.text, kNameCharsMax).text;
        return renderer.token(value.text).text;
      case query::GroupBy::kActor:
      case query::GroupBy::kTarget: return renderer.ref(value.text).text;
      default: return renderer.token(value.text).text;
    }
  }

  static server::ToolResult present(const query::Aggregate& found, const Cut& cut,
                                    const query::AggregateRequest& request, const FilterArguments& filter,
                                    const std::vector<std::string>& coercions, Renderer& renderer) {
    ResultBuilder out;
    out.as_of(found.as_of, found.server_time);
    out.window(found.applied, filter.tz, filter.given_window);
    const OrderedJson applied = applied_json(found.applied, renderer);
    out.put("applied", applied);
    out.line("applied", applied.dump());
    out.coverage(found.coverage);
    if (found.total_is_lower_bound) {
      out.put("total", {{"at_least", found.total}});
      out.line("total", "at least " + std::to_string(found.total));
    } else {
      out.put("total", found.total);
      out.line("total", found.total);
    }
    out.put("sum", found.total);
    out.line("sum", found.total);
    out.put("events", found.events);
    out.line("events", found.events);
    std::vector<std::string> names;
    for (const query::GroupKey& key : found.group_by) names.push_back(renderer.token(query::name(key)).text);
    out.put("group_by", names);
    out.put("metric", query::name(request.metric));
    out.line("metric", query::name(request.metric));
    if (!found.interval.empty()) {
      out.put("interval", found.interval);
      out.line("interval", found.interval);
      out.put("buckets_complete", cut.buckets_complete && found.coverage.complete);
      out.line("buckets_complete", cut.buckets_complete && found.coverage.complete);
    }
    if (found.previous_from) {
      out.put("previous", {{"from", time_text(*found.previous_from)},
                           {"to", time_text(*found.previous_to)},
                           {"total", found.previous_total}});
      out.line("previous_from", time_text(*found.previous_from));
      out.line("previous_to", time_text(*found.previous_to));
      out.line("previous_total", found.previous_total);
    }
    out.put("returned", cut.groups);
    out.line("returned", cut.groups);
    if (found.unshown > 0) {
      out.put("unshown", found.unshown);
      out.line("unshown", found.unshown);
    }
    out.findings(found.findings, found.findings_total);
    std::vector<query::Note> notes = found.notes;
    notes.push_back({"BASIS",
                     "Counts are of records met by their checksums; each group's key was read again from its "
                     "first record, checked to the signed root.",
                     ""});
    if (cut.groups < found.groups.size()) {
      notes.push_back({"BUDGET", "Groups that did not fit in max_tokens are counted in other.", ""});
    }
    out.notes(notes, coercions, renderer);
    groups(found, cut, request, std::move(names), renderer, out);
    out.trust(renderer, {"key"}, {});
    return out.take();
  }

  static void groups(const query::Aggregate& found, const Cut& cut, const query::AggregateRequest& request,
                     std::vector<std::string> names, Renderer& renderer, ResultBuilder& out) {
    const bool distinct =
        request.metric == query::Metric::kDistinctActor || request.metric == query::Metric::kDistinctTarget;
    OrderedJson groups = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    const size_t keys = names.size();
    for (size_t i = 0; i < cut.groups; ++i) {
      const query::Group& group = found.groups[i];
      OrderedJson key = OrderedJson::object();
      std::vector<std::string> row;
      for (size_t k = 0; k < keys; ++k) {
        row.push_back(key_text(found.group_by[k], group.key[k], renderer));
        key[names[k]] = group.key[k].none ? OrderedJson(nullptr) : OrderedJson(row.back());
      }
      OrderedJson json = {{"key", std::move(key)}};
      const auto put = [&](const char* name, OrderedJson value) {
        row.push_back(value.is_string() ? value.get<std::string>() : value.dump());
        json[name] = std::move(value);
      };
      put("count", group.count);
      if (distinct) put("distinct", group.distinct);
      if (request.metric == query::Metric::kFirst) put("first", time_text(group.first));
      if (request.metric == query::Metric::kLast) put("last", time_text(group.last));
      put("first_seq", group.first_seq.value);
      put("last_seq", group.last_seq.value);
      if (request.previous) put("previous", group.previous);
      if (group.peak) {
        json["max_bucket"] = {{"time", time_text(*group.peak)}, {"count", group.peak_count}};
        row.push_back(time_text(*group.peak));
        row.push_back(std::to_string(group.peak_count));
      }
      groups.push_back(std::move(json));
      cells.push_back(std::move(row));
    }
    OrderedJson other = {{"groups", cut.other_groups}, {"count", cut.other_count}};
    std::string line = "other,groups=" + std::to_string(cut.other_groups) + ",count=" + std::to_string(cut.other_count);
    if (request.previous) {
      other["previous"] = cut.other_previous;
      line += ",previous=" + std::to_string(cut.other_previous);
    }
    out.put("groups", std::move(groups));
    out.put("other", std::move(other));
    names.emplace_back("count");
    if (distinct) names.emplace_back("distinct");
    if (request.metric == query::Metric::kFirst) names.emplace_back("first");
    if (request.metric == query::Metric::kLast) names.emplace_back("last");
    names.insert(names.end(), {"first_seq", "last_seq"});
    if (request.previous) names.emplace_back("previous");
    if (request.by_peak && !found.groups.empty() && found.groups.front().peak) {
      names.insert(names.end(), {"max_bucket_time", "max_bucket_count"});
    }
    out.table(names, cells, line);
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_aggregate_tool(AuditContext& audit) {
  return std::make_unique<AggregateTool>(audit);
}

}  // namespace khipu::mcp::tools
