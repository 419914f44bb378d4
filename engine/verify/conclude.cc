// The end of a run: verdict, basis, and the sentences people and models are told to quote.
#include <fmt/format.h>

#include "engine/base/time.h"
#include "engine/verify/run.h"

namespace khipu::verify {

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

static std::string passed(const Run& run, const std::string& head) {
  const Report& report = run.report;
  const std::string_view whose = run.options.key ? "the key you supplied" : "the key the log itself names";
  std::string text;
  if (report.scope == "range") {
    text = fmt::format("Events {} up to but not including {} match the tree of {}, signed by {}.",
                       report.from_row->value, report.to_row->value, head, whose);
  } else if (report.scope == "sample") {
    text = fmt::format("{} events drawn at random (seed {}) match the tree of {}, signed by {}.",
                       with_commas(report.checked.records), *report.seed, head, whose);
    if (report.checked.not_retained > 0) {
      text += fmt::format(" {} more that were drawn are not retained, and were not looked at.",
                          with_commas(report.checked.not_retained));
    }
  } else if (report.since_commit) {
    text = fmt::format(
        "All {} records since commit {} match the trees of {}, which extend the state {} keep{}; every "
        "commit between is signed by {}. Everything up to commit {} was last read in one run at {}.",
        with_commas(report.checked.records), with_commas(report.since_commit->value), head,
        run.options.since_is_own ? "this server" : "you", run.options.since_is_own ? "s" : "", whose,
        with_commas(report.full_commit->value), format_rfc3339(report.full_time));
  } else {
    text = fmt::format("All {} records match the trees of {}, and every commit up to it is signed by {}.",
                       with_commas(report.checked.records), head, whose);
  }
  if (report.scope != "sample" && report.checked.not_retained > 0) {
    text += fmt::format(" {} more are not retained: of these only the hashes match.",
                        with_commas(report.checked.not_retained));
  }
  for (const OutsideHead& outside : run.heads) {
    text +=
        fmt::format(" {} extends {} (size {}).", table_name(outside.table), outside.what, with_commas(outside.size));
  }
  return text;
}

// Where it may be another log or none, and nothing was changed, that is what must be said.
static std::string why(const Report& report) {
  return report.first_break->code == code::kGenesisMismatch ? " (" + report.first_break->detail + ")" : "";
}

void conclude(Run& run) {
  Report& report = run.report;
  const bool broken = run.findings.any_break();
  report.verdict = broken ? Verdict::kFail : run.incomplete ? Verdict::kIncomplete : Verdict::kPass;
  report.counts = run.findings.counts();
  report.findings = run.findings.take();
  if (broken) report.first_break = report.findings.front();
  const bool state_kept = run.options.since && !run.options.since_is_own;
  const bool outside = !run.options.against.empty() || state_kept;
  if (report.verdict == Verdict::kPass) {
    report.basis.emplace_back("self_consistent");
    if (run.options.key || state_kept) report.basis.emplace_back("signed_checkpoint");
    if (outside) report.basis.emplace_back("caller_supplied_checkpoint");
  } else {
    report.state.reset();
  }
  const uint64_t logs = report.sizes[index_of(TableId::kLogs)];
  const std::string head = fmt::format("commit {} (events: {})", with_commas(report.commit.value), with_commas(logs));
  switch (report.verdict) {
    case Verdict::kPass: report.statement = passed(run, head); break;
    case Verdict::kFail:
      report.statement = fmt::format("The log is not what was signed: {} finding(s), the first is {}{}.",
                                     with_commas(run.findings.count()), report.first_break->code, why(report));
      break;
    case Verdict::kIncomplete:
      report.statement = "The check could not be completed; nothing wrong was found in what was checked.";
      break;
  }
  report.does_not_show = {"that events were true when written", "that unrecorded activity did not happen",
                          report.commit.value == 0 ? "anything of the log itself: no commit of it was reached"
                                                   : fmt::format("anything after {}", head)};
  if (!run.options.key && !state_kept) {
    report.does_not_show.emplace_back("that this is the log you think it is: no key of yours was compared");
    report.not_checked.emplace_back("the signing key: none was supplied (--key)");
  }
  if (!outside) report.not_checked.emplace_back("a state or checkpoint kept outside: none was supplied");
  report.not_checked.emplace_back("external witness cosignatures: none configured");
  report.not_checked.emplace_back("idempotency.log: a cache, rebuilt from the records when it is damaged");
  report.not_checked.emplace_back(
      "dlq/: what was set aside; IMPORT statements say how many records were, its files may be mended or removed");
}

}  // namespace khipu::verify
