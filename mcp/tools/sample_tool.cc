// audit_sample: a sample that can be drawn again, and a digest of the population it came from.
#include "engine/base/bytes.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/filter_arguments.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr const char* kMethod =
    "rank(seq) = SHA-256(seed + \":\" + decimal seq); the n smallest ranks, listed in ascending seq";

class SampleTool final : public AuditTool {
 public:
  explicit SampleTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_sample") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    Renderer renderer(context.mark_tag());
    const query::Answer<FilterArguments> filter = filter_arguments(given, context.now());
    if (!filter.ok()) return error_result(filter.error(), renderer);
    query::SampleRequest request;
    request.filter = filter->filter;
    request.tz = filter->tz;
    request.n = given["n"];
    request.stop = context.stop();
    const std::string seed = given.value("seed", "");
    request.seed = seed;
    OrderedJson applied;
    request.words = [&](const query::Filter& ran) {
      applied = applied_json(ran, renderer);
      return Json(applied).dump();  // sorted keys, no spaces: what a checker makes of `applied`
    };
    if (given.contains("stratify_by")) {
      query::Answer<query::GroupKey> key = query::group_key(given["stratify_by"].get<std::string>());
      if (!key.ok()) {
        query::QueryError error = key.error();
        error.field = "stratify_by";
        return error_result(error, renderer);
      }
      request.stratify_by = std::move(key).value();
    }
    const query::Answer<query::Sample> sample = audit().engine_for(context.caller())->sample(request);
    if (!sample.ok()) return error_result(sample.error(), renderer);

    ResultBuilder out;
    out.as_of(sample->as_of, sample->server_time);
    out.window(sample->applied, filter->tz, filter->given_window);
    out.put("applied", applied);
    out.line("applied", Json(applied).dump());
    out.coverage(sample->coverage);
    out.count("population", sample->population, sample->population_is_lower_bound);
    const auto fact = [&](const char* name, const std::string& value) {
      out.put(name, value);
      out.line(name, value);
    };
    fact("population_digest", hex(sample->population_digest));
    fact("seed", seed.empty() ? sample->seed : render_got(sample->seed));
    fact("seed_source", seed.empty() ? "root" : "given");
    fact("method",
         std::string(kMethod) + (request.stratify_by ? "; per stratum in proportion, largest remainder" : ""));
    out.findings(sample->findings, sample->findings_total);
    std::vector<query::Note> notes = sample->notes;
    if (seed.empty()) {
      notes.push_back({"SEED_FROM_ROOT",
                       "Who can append could try roots until the sample suits: prefer a seed that the auditor gives "
                       "after the state was fixed.",
                       ""});
    }
    out.notes(notes, arguments.coercions, renderer);
    OrderedJson seqs = OrderedJson::array();
    std::vector<std::string> texts;
    for (const Row seq : sample->seqs) {
      seqs.push_back(seq.value);
      texts.push_back(std::to_string(seq.value));
    }
    out.put("returned", texts.size());
    out.line("returned", texts.size());
    out.line("seqs", join(texts, "|"));
    out.put("seqs", std::move(seqs));
    if (!sample->unshown.empty()) {
      OrderedJson unshown = OrderedJson::array();
      std::vector<std::string> unshown_texts;
      for (const Row seq : sample->unshown) {
        unshown.push_back(seq.value);
        unshown_texts.push_back(std::to_string(seq.value));
      }
      out.put("unshown", std::move(unshown));
      out.line("unshown", join(unshown_texts, "|"));
    }
    if (request.stratify_by) strata(*sample, renderer, out);
    out.trust(renderer, {"strata"}, {});
    return out.take();
  }

 private:
  static void strata(const query::Sample& sample, Renderer& renderer, ResultBuilder& out) {
    constexpr size_t kStrataShown = 100;
    OrderedJson strata = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    for (const query::Stratum& stratum : sample.strata) {
      if (cells.size() == kStrataShown) break;
      const std::string value = stratum.unknown      ? "(unknown)"
                                : stratum.value.none ? "(none)"
                                                     : renderer.token(stratum.value.text).text;
      strata.push_back({{"value", value}, {"population", stratum.population}, {"drawn", stratum.drawn}});
      cells.push_back({value, std::to_string(stratum.population), std::to_string(stratum.drawn)});
    }
    out.put("strata", std::move(strata));
    out.put("strata_total", sample.strata.size());
    out.line("strata_total", sample.strata.size());
    out.table({"stratum", "population", "drawn"}, cells);
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_sample_tool(AuditContext& audit) { return std::make_unique<SampleTool>(audit); }

}  // namespace khipu::mcp::tools
