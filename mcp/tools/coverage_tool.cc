// audit_coverage: is the log complete for this window? Evidence about the log, not its events.
#include <algorithm>
#include <charconv>

#include "engine/query/time_text.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

// How much of each list goes; tried in turn until the answer fits.
struct Room {
  size_t sources, list, days;
};
constexpr Room kRooms[] = {{50, 20, 62}, {50, 20, 14}, {30, 8, 7}, {15, 4, 3}, {6, 2, 1}, {2, 1, 0}};

// "36h" in microseconds; nullopt when it is none.
std::optional<int64_t> duration(const std::string& text) {
  constexpr std::string_view kUnits = "smhdw";
  constexpr int64_t kSeconds[] = {1, 60, 3600, 86400, 7 * 86400};
  int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec != std::errc() || read.ptr + 1 != text.data() + text.size() || count < 1 || count > 10'000'000) {
    return std::nullopt;
  }
  const size_t unit = kUnits.find(*read.ptr);
  if (unit == std::string_view::npos) return std::nullopt;
  return count * kSeconds[unit] * 1'000'000;
}

std::string duration_text(int64_t us) {
  const int64_t seconds = us / 1'000'000;
  if (seconds % 3600 == 0) return std::to_string(seconds / 3600) + "h";
  return seconds % 60 == 0 ? std::to_string(seconds / 60) + "m" : std::to_string(seconds) + "s";
}

class CoverageTool final : public AuditTool {
 public:
  explicit CoverageTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_coverage") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    const std::string tz = given.value("tz", ""), from = given.value("from", ""), to = given.value("to", "");
    const query::Answer<query::TimeWindow> window = query::resolve_window(from, to, tz, context.now());
    if (!window.ok()) return error_result(window.error(), renderer);
    query::LogCoverageRequest request;
    request.from = window->from;
    request.to = window->to;
    request.tz = tz;
    request.sources = given.value("source", std::vector<std::string>());
    request.stop = context.stop();
    const std::string silent_after = given.value("silent_after", "auto");
    if (silent_after != "auto") {
      request.silent_after = duration(silent_after);
      if (!request.silent_after) {
        query::QueryError error("UNKNOWN_VALUE", "silent_after", silent_after,
                                "auto, or a whole number and a unit: s, m, h, d or w.");
        error.allowed = {"auto", "30m", "6h", "1d"};
        return error_result(error, renderer);
      }
    }
    const query::Answer<query::LogCoverage> found = audit().engine_for(context.caller())->log_coverage(request);
    if (!found.ok()) return error_result(found.error(), renderer);
    OrderedJson given_window = OrderedJson::object();
    if (!from.empty()) given_window["from"] = render_got(from);
    if (!to.empty()) given_window["to"] = render_got(to);
    const size_t budget_bytes = given.value("max_tokens", size_t{4000}) * 3;
    for (size_t i = 0;; ++i) {
      Renderer fresh(context.mark_tag());
      server::ToolResult result =
          present(*found, kRooms[i], tz, given_window, request.silent_after.has_value(), arguments.coercions, fresh);
      if (size_bytes_of(result) <= budget_bytes || i + 1 == std::size(kRooms)) return result;
    }
  }

 private:
  static server::ToolResult present(const query::LogCoverage& found, const Room& room, const std::string& tz,
                                    const OrderedJson& given_window, bool threshold_given,
                                    const std::vector<std::string>& coercions, Renderer& renderer) {
    ResultBuilder out;
    out.as_of(found.as_of, found.server_time);
    out.window(found.applied, tz, given_window);
    out.coverage(found.coverage);
    const auto count = [&](const char* name, uint64_t value) {
      out.put(name, value);
      out.line(name, value);
    };
    count("events", found.events);
    if (found.lower_bound) {
      out.put("lower_bound", true);
      out.line("lower_bound", true);
    }
    count("sources_total", found.sources_total);
    if (found.unshown > 0) count("unshown", found.unshown);
    count("parked", found.parked);
    count("quarantined", found.quarantined);
    count("rollbacks", found.rollbacks);
    if (found.silent_until != 0) {  // 0: there was nothing to be silent behind
      out.put("silent_until", time_text(found.silent_until));
      out.line("silent_until", time_text(found.silent_until));
    }
    const std::string rule =
        threshold_given ? "as given"
                        : "auto, per source: at least 1h; 1.5 times the median over its days of the longest gap that "
                          "begins in each; on fewer than 3 days 10 times the median gap";
    out.put("silent_after_rule", rule);
    out.line("silent_after_rule", rule);
    out.put("resolution", duration_text(found.resolution_us));
    out.line("resolution", duration_text(found.resolution_us));
    out.findings(found.findings, found.findings_total);
    std::vector<query::Note> notes = found.notes;
    if (found.sources.size() > room.sources) {
      notes.push_back({"SOURCES_CUT", "The sources with fewest events are not listed: name them in source.", ""});
    }
    notes.push_back({"STATEMENTS",
                     "purged, parked, quarantined, rollbacks and clock come from the log's own signed "
                     "statements, over its whole life.",
                     ""});
    out.notes(notes, coercions, renderer);
    sources(found, room, renderer, out);
    statements(found, room, renderer, out);
    out.trust(renderer, {"source"}, {});
    return out.take();
  }

  static void sources(const query::LogCoverage& found, const Room& room, Renderer& renderer, ResultBuilder& out) {
    OrderedJson sources = OrderedJson::array();
    std::vector<std::vector<std::string>> cells, silent_cells, step_cells, gap_cells, control_cells, day_cells;
    for (size_t i = 0; i < std::min(room.sources, found.sources.size()); ++i) {
      const query::SourceCoverage& source = found.sources[i];
      const std::string name = source.source.empty() ? "(none)" : renderer.token(source.source).text;
      OrderedJson silent = OrderedJson::array(), steps = OrderedJson::array(), gaps = OrderedJson::array(),
                  control = OrderedJson::array(), days = OrderedJson::array();
      for (size_t k = 0; k < std::min(room.list, source.silent.size()); ++k) {
        const query::Silence& one = source.silent[source.silent.size() - 1 - k];  // newest first
        silent.push_back({{"from", time_text(one.from)}, {"to", time_text(one.to)}});
        silent_cells.push_back({name, time_text(one.from), time_text(one.to)});
      }
      for (size_t k = 0; k < std::min(room.list, source.steps.size()); ++k) {
        steps.push_back({{"seq", source.steps[k].seq.value}, {"back_ms", source.steps[k].back_us / 1000}});
        step_cells.push_back(
            {name, std::to_string(source.steps[k].seq.value), std::to_string(source.steps[k].back_us / 1000)});
      }
      for (size_t k = 0; k < std::min(room.list, source.gaps.size()); ++k) {
        const query::SequenceGap& gap = source.gaps[k];
        gaps.push_back({{"seq", gap.seq.value}, {"after", gap.after}, {"next", gap.next}});
        gap_cells.push_back({name, std::to_string(gap.seq.value), std::to_string(gap.after), std::to_string(gap.next)});
      }
      for (size_t k = 0; k < std::min(room.list, source.log_control.size()); ++k) {
        control.push_back(source.log_control[k].value);
        control_cells.push_back({name, std::to_string(source.log_control[k].value)});
      }
      for (size_t k = source.days.size() - std::min(room.days, source.days.size()); k < source.days.size(); ++k) {
        days.push_back({{"day", time_text(source.days[k].day)}, {"events", source.days[k].events}});
        day_cells.push_back({name, time_text(source.days[k].day), std::to_string(source.days[k].events)});
      }
      sources.push_back(
          {{"source", name},
           {"first", time_text(source.first)},
           {"last", time_text(source.last)},
           {"events", source.events},
           {"days_with_events", source.days.size()},
           {"days", std::move(days)},
           {"silent_after", duration_text(source.silent_after_us)},
           {"silent_total", source.silent.size()},
           {"silent", std::move(silent)},
           {"lag_ms", {{"p50", source.lag_p50_ms}, {"p99", source.lag_p99_ms}, {"max", source.lag_max_ms}}},
           {"steps_total", source.steps_total},
           {"steps", std::move(steps)},
           {"numbered", source.numbered},
           {"sequence_gaps_total", source.gaps_total},
           {"numbers_missing", source.numbers_missing},
           {"sequence_gaps", std::move(gaps)},
           {"log_control_total", source.log_control_total},
           {"log_control", std::move(control)}});
      cells.push_back({name, time_text(source.first), time_text(source.last), std::to_string(source.events),
                       std::to_string(source.days.size()), duration_text(source.silent_after_us),
                       std::to_string(source.silent.size()), std::to_string(source.lag_p50_ms),
                       std::to_string(source.lag_p99_ms), std::to_string(source.lag_max_ms),
                       std::to_string(source.steps_total), source.numbered ? "yes" : "no",
                       std::to_string(source.gaps_total), std::to_string(source.numbers_missing),
                       std::to_string(source.log_control_total)});
    }
    out.put("sources", std::move(sources));
    out.table({"source", "first", "last", "events", "days", "silent_after", "silent", "lag_ms_p50", "lag_ms_p99",
               "lag_ms_max", "steps", "numbered", "sequence_gaps", "numbers_missing", "log_control"},
              cells);
    if (!silent_cells.empty()) out.table({"silent_source", "from", "to"}, silent_cells);
    if (!step_cells.empty()) out.table({"step_source", "seq", "back_ms"}, step_cells);
    if (!gap_cells.empty()) out.table({"gap_source", "seq", "after", "next"}, gap_cells);
    if (!control_cells.empty()) out.table({"log_control_source", "seq"}, control_cells);
    if (!day_cells.empty()) out.table({"day_source", "day", "events"}, day_cells);
  }

  static void statements(const query::LogCoverage& found, const Room& room, Renderer& renderer, ResultBuilder& out) {
    OrderedJson purged = OrderedJson::array(), clock = OrderedJson::array();
    std::vector<std::vector<std::string>> purged_cells, clock_cells;
    const size_t purges = std::min(room.list, found.purged.size());
    for (size_t i = found.purged.size() - purges; i < found.purged.size(); ++i) {
      const query::PurgedRange& one = found.purged[i];
      const std::string policy = one.policy.empty() ? "" : renderer.free_text(one.policy, kNameCharsMax).text;
      const std::string first = one.recorded_first ? time_text(*one.recorded_first) : "";
      const std::string last = one.recorded_last ? time_text(*one.recorded_last) : "";
      const uint64_t rows = one.to.value - one.from.value;
      purged.push_back({{"rows", rows},
                        {"from", one.from.value},
                        {"to", one.to.value},
                        {"recorded_first", first},
                        {"recorded_last", last},
                        {"policy", policy}});
      purged_cells.push_back(
          {std::to_string(rows), std::to_string(one.from.value), std::to_string(one.to.value), first, last, policy});
    }
    for (size_t i = 0; i < std::min(room.list, found.clock.size()); ++i) {
      const query::ClockJump& one = found.clock[i];
      const char* event = one.cleared ? "cleared" : "stepped";
      clock.push_back({{"at", time_text(one.at)}, {"event", event}, {"step_ms", one.step_us / 1000}});
      clock_cells.push_back({time_text(one.at), event, std::to_string(one.step_us / 1000)});
    }
    out.put("purged", std::move(purged));
    out.put("purged_total", found.purged.size());
    out.line("purged_total", found.purged.size());
    out.put("clock", std::move(clock));
    out.put("clock_total", found.clock.size());
    out.line("clock_total", found.clock.size());
    if (!purged_cells.empty()) {
      out.table({"purged_rows", "from", "to", "recorded_first", "recorded_last", "policy"}, purged_cells);
    }
    if (!clock_cells.empty()) out.table({"clock_at", "event", "step_ms"}, clock_cells);
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_coverage_tool(AuditContext& audit) { return std::make_unique<CoverageTool>(audit); }

}  // namespace khipu::mcp::tools
