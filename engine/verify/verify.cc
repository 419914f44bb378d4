#include "engine/verify/verify.h"

#include <fmt/format.h>

#include "engine/verify/run.h"

namespace khipu::verify {

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

static void conclude(Run& run) {
  Report& report = run.report;
  const bool broken = run.findings.any_break();
  report.verdict = broken ? Verdict::kFail : run.incomplete ? Verdict::kIncomplete : Verdict::kPass;
  report.counts = run.findings.counts();
  report.findings = run.findings.take();
  if (broken) report.first_break = report.findings.front();
  if (report.verdict == Verdict::kPass) report.basis.emplace_back("self_consistent");
  if (report.verdict == Verdict::kPass && run.options.key) report.basis.emplace_back("signed_checkpoint");
  const uint64_t logs = report.sizes[index_of(TableId::kLogs)];
  const std::string head = fmt::format("commit {} (events: {})", with_commas(report.commit.value), with_commas(logs));
  const std::string_view whose = run.options.key ? "the key you supplied" : "the key the log itself names";
  switch (report.verdict) {
    case Verdict::kPass:
      report.statement =
          report.scope == "range"
              ? fmt::format("Events {} up to but not including {} match the tree of {}, signed by {}.",
                            report.from_row->value, report.to_row->value, head, whose)
              : fmt::format("All {} records match the trees of {}, and every commit up to it is signed by {}.",
                            with_commas(report.checked.records), head, whose);
      break;
    case Verdict::kFail:
      report.statement = fmt::format("The log is not what was signed: {} finding(s), the first is {}.",
                                     with_commas(run.findings.count()), report.first_break->code);
      break;
    case Verdict::kIncomplete:
      report.statement = "The check could not be completed; nothing wrong was found in what was checked.";
      break;
  }
  report.does_not_show = {"that events were true when written", "that unrecorded activity did not happen",
                          fmt::format("anything after {}", head)};
  if (!run.options.key) {
    report.does_not_show.emplace_back("that this is the log you think it is: no key of yours was compared");
  }
  if (!run.options.key) report.not_checked.emplace_back("the signing key: none was supplied (--key)");
  report.not_checked.emplace_back("a state or checkpoint kept outside: none was supplied");
  report.not_checked.emplace_back("external witness cosignatures: none configured");
  report.not_checked.emplace_back("idempotency.log: a cache, rebuilt from the records when it is damaged");
}

Result<Report> run(os::Directory& root, const Options& options) {
  Control control(options.clock != nullptr ? *options.clock : os::system_clock(), options.budget_us, options.cancelled,
                  options.progress);
  Run run{root, options, control, {}, {}, {}, {}, {}, false};
  if (options.from_row || options.to_row) run.report.scope = "range";
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, root.list());
  if (entries.empty()) {
    return Error{Code::kNotFound, root.path() + ": not a khipu root (the folder is empty); make one with `khipu init`"};
  }
  KHIPU_TRY_ASSIGN(run.head, read_head_state(root, run.findings));
  Result<std::optional<codec::Genesis>> genesis = read_genesis(root, run.findings);
  if (!genesis.ok()) {
    run.unreadable(genesis.error());
  } else if (genesis->has_value()) {
    run.genesis = **genesis;
    run.key = commit_key(*run.genesis);
    run.report.root_id = run.genesis->root_id;
    run.report.origin = clean(run.genesis->origin);
    if (options.key && *options.key != run.genesis->verifier) {
      Finding found;
      found.code = code::kGenesisMismatch;
      found.rank = Rank::kGenesis;
      found.table = TableId::kMeta;
      found.row = Row{};
      found.segment = SegmentNumber{0};
      found.file = segment_path(TableId::kMeta, SegmentNumber{0});
      found.offset = segment::kHeaderSize;
      found.expected = hex(Bytes(*options.key).first(8)) + "...";
      found.actual = hex(Bytes(run.genesis->verifier).first(8)) + "...";
      found.detail = "the key you supplied is not the one this log began with: it is another log";
      run.findings.add(std::move(found));
    }
    KHIPU_TRY(run.report.scope == "range" ? run_range(run) : run_full(run));
  } else {
    run.report.not_checked.emplace_back("everything else: without GENESIS there is no key to check it with");
  }
  conclude(run);
  return std::move(run.report);
}

}  // namespace khipu::verify
