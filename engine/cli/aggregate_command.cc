// `khipu aggregate`: how many events, by whom, when.
#include <algorithm>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/query_access.h"
#include "engine/cli/root.h"
#include "engine/os/clock.h"
#include "engine/query/print.h"

namespace khipu::cli {
namespace {

bool distinct(query::Metric metric) {
  return metric == query::Metric::kDistinctActor || metric == query::Metric::kDistinctTarget;
}

class AggregateCommand final : public Command {
 public:
  std::string name() const override { return "aggregate"; }
  std::string summary() const override { return "Count the events that match a filter, in groups"; }
  std::string details() const override {
    return std::string(
               "The groups and the line `other` add up to the total, which is exact. KEY is time, actor, actor_type,\n"
               "action, action_class, outcome, target, target_type, url, source, source_ip, hour_of_day, weekday or\n"
               "custom.COLUMN; up to three. An event counts once for each different target or type it has. With time\n"
               "the buckets of each top series are shown in order; a bucket not listed has nothing in it. Times and\n"
               "days are those of --tz. Counts are of records met by their checksums; the keys shown were read again\n"
               "from a record checked up to the signed root.\n\n") +
           FilterArguments::details() +
           "\nExamples:\n  khipu aggregate /srv/audit --by actor --outcome not_success --from last_week\n"
           "  khipu aggregate /srv/audit --by time --by source --interval day --tz Europe/London --from 2026-06\n"
           "  khipu aggregate /srv/audit --by actor --rank-by max_bucket --interval 5m --from yesterday\n"
           "  khipu aggregate /srv/audit --by action --compare previous --from last_month --json\n\n"
           "Exit codes: 0 answered, 1 answered and something is wrong with the log, 3 not answered.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    arguments.texts("--by", by_, "KEY", "what groups have in common; up to three; default: one group of all");
    arguments.text("--interval", interval_, "SPAN",
                   "of --by time and --rank-by max_bucket: auto, 5m, 15m, 1h, 6h, 1d, 1w, or the calendar's day, week, "
                   "month, quarter, year; default auto");
    arguments.choice("--metric", metric_, {"count", "distinct:actor", "distinct:target", "first", "last"},
                     "what is counted or told, and ranked by; default count");
    arguments.number("--top", top_, 1, 200, "groups shown (series, with time); default 20");
    arguments.choice("--rank-by", rank_by_, {"total", "max_bucket"},
                     "rank groups by their sum, or by their greatest bucket of --interval; default total");
    arguments.choice("--compare", compare_, {"none", "previous"},
                     "previous: count the period before the window, too; needs --from and --to; default none");
    filter_.declare(arguments, false);
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const QueryAccess access, open_query_access(root_, key_));
    query::AggregateRequest request;
    auto filter = filter_.filter(os::system_clock().now());
    if (!filter.ok()) return to_error(filter.error());
    request.filter = std::move(filter).value();
    for (const std::string& word : by_) {
      auto key = query::group_key(word);
      if (!key.ok()) return to_error(key.error());
      request.group_by.push_back(std::move(key).value());
    }
    const auto metric = query::metric(metric_);
    if (!metric.ok()) return to_error(metric.error());
    request.metric = *metric;
    const bool buckets = rank_by_ == "max_bucket" || std::find(by_.begin(), by_.end(), "time") != by_.end();
    if (!interval_.empty() && !buckets) {
      return Error{Code::kInvalid, "--interval: nothing is cut by time here; give --by time or --rank-by max_bucket"};
    }
    request.interval = interval_.empty() ? "auto" : interval_;
    request.tz = filter_.tz();
    request.top = static_cast<uint32_t>(top_);
    request.by_peak = rank_by_ == "max_bucket";
    request.previous = compare_ == "previous";
    const auto answer = access.engine->aggregate(request);
    if (!answer.ok()) return refuse(output, answer.error());
    if (output.json()) {
      print_json(output, *answer, request);
    } else {
      print_text(output, *answer, request);
    }
    return answer->findings_total > 0 ? Exit::kFinding : Exit::kOk;
  }

 private:
  static void print_json(Output& output, const query::Aggregate& answer, const query::AggregateRequest& request) {
    std::string text = "{\"schema\":\"khipu.aggregate/v1\",\"as_of\":";
    query::append_as_of(text, answer.as_of);
    const std::string total = std::to_string(answer.total);
    text += ",\"axis\":\"" + std::string(query::name(answer.applied.axis)) + "\",\"total\":";
    text += answer.total_is_lower_bound ? "{\"at_least\":" + total + "}" : total;
    text += ",\"sum\":" + total + ",\"events\":" + std::to_string(answer.events);
    text += ",\"metric\":\"" + std::string(query::name(request.metric)) + "\"";
    if (!answer.interval.empty()) {
      text += ",\"interval\":\"" + answer.interval + "\",\"buckets_complete\":";
      text += answer.buckets_complete && answer.coverage.complete ? "true" : "false";
    }
    if (answer.previous_from) {
      text += ",\"previous\":{\"from\":\"" + format_rfc3339(*answer.previous_from) + "\",\"to\":\"" +
              format_rfc3339(*answer.previous_to) + "\",\"total\":" + std::to_string(answer.previous_total) + "}";
    }
    text += ",\"groups\":[";
    for (const query::Group& group : answer.groups) {
      if (text.back() != '[') text += ',';
      append_group(text, answer, group, request);
    }
    text += "],\"other\":{\"groups\":" + std::to_string(answer.other_groups) +
            ",\"count\":" + std::to_string(answer.other_count);
    if (request.previous) text += ",\"previous\":" + std::to_string(answer.other_previous);
    text += "},\"unshown\":" + std::to_string(answer.unshown) + ",\"coverage\":";
    query::append_coverage(text, answer.coverage);
    text += ",\"findings\":";
    query::append_findings(text, answer.findings);
    text += ",\"notes\":";
    query::append_notes(text, answer.notes);
    output.line(text + "}");
  }

  static void append_group(std::string& text, const query::Aggregate& answer, const query::Group& group,
                           const query::AggregateRequest& request) {
    text += "{\"key\":{";
    for (size_t i = 0; i < group.key.size(); ++i) {
      if (i > 0) text += ',';
      query::append_json_string(text, query::name(answer.group_by[i]));
      text += ':';
      if (group.key[i].none) {
        text += "null";
      } else {
        query::append_json_string(text, group.key[i].text);
      }
    }
    text += "},\"count\":" + std::to_string(group.count);
    if (distinct(request.metric)) text += ",\"distinct\":" + std::to_string(group.distinct);
    if (request.metric == query::Metric::kFirst) text += ",\"first\":\"" + format_rfc3339(group.first) + "\"";
    if (request.metric == query::Metric::kLast) text += ",\"last\":\"" + format_rfc3339(group.last) + "\"";
    text += ",\"first_seq\":" + std::to_string(group.first_seq.value) +
            ",\"last_seq\":" + std::to_string(group.last_seq.value);
    if (request.previous) text += ",\"previous\":" + std::to_string(group.previous);
    if (group.peak) {
      text += ",\"max_bucket\":{\"time\":\"" + format_rfc3339(*group.peak) +
              "\",\"count\":" + std::to_string(group.peak_count) + "}";
    }
    text += '}';
  }

  static void print_text(Output& output, const query::Aggregate& answer, const query::AggregateRequest& request) {
    for (const query::Group& group : answer.groups) {
      std::string line = std::to_string(group.count);
      for (const query::GroupValue& value : group.key) line += "  " + (value.none ? "(none)" : printable(value.text));
      if (distinct(request.metric)) line += "  distinct " + std::to_string(group.distinct);
      if (request.metric == query::Metric::kFirst) line += "  first " + format_rfc3339(group.first);
      if (request.metric == query::Metric::kLast) line += "  last " + format_rfc3339(group.last);
      if (group.peak) line += "  at most " + std::to_string(group.peak_count) + " from " + format_rfc3339(*group.peak);
      if (request.previous) line += "  before " + std::to_string(group.previous);
      output.line(line + "  (seq " + std::to_string(group.first_seq.value) + " to " +
                  std::to_string(group.last_seq.value) + ")");
    }
    std::string other =
        std::to_string(answer.other_count) + "  other: " + std::to_string(answer.other_groups) + " groups";
    if (request.previous) other += "  before " + std::to_string(answer.other_previous);
    output.line(other);
    std::string total = answer.total_is_lower_bound ? "at least " : "";
    total += std::to_string(answer.total) + " in all, of " + std::to_string(answer.events) + " events that match";
    if (request.previous) total += "; " + std::to_string(answer.previous_total) + " in the period before";
    output.line(total + ", in a log of " + std::to_string(answer.as_of.tree_size) + ", root " +
                base64(answer.as_of.root));
    if (!answer.interval.empty()) output.line("buckets of " + answer.interval);
    if (answer.coverage.purged_overlap) {
      output.line("not retained: events below seq " + std::to_string(answer.coverage.first_seq.value) +
                  " may have matched");
    }
    (void)tell(output, answer.findings, answer.notes);
  }

  std::string root_, key_, interval_, metric_ = "count", rank_by_ = "total", compare_ = "none";
  std::vector<std::string> by_;
  uint64_t top_ = 20;
  FilterArguments filter_;
};

}  // namespace

std::unique_ptr<Command> make_aggregate_command() { return std::make_unique<AggregateCommand>(); }

}  // namespace khipu::cli
