#include "engine/cli/read_report.h"

#include <algorithm>

#include "engine/access/reporter.h"
#include "engine/os/clock.h"
#include "engine/os/process.h"

namespace khipu::cli {

void report_read(const std::string& root, const ReadReport& report, Output& output) {
  codec::AccessRecord record;
  record.time = os::system_clock().now();
  record.caller = "uid:" + std::to_string(os::effective_user_id());
  record.tool = report.tool;
  record.outcome = codec::Outcome::kSuccess;
  record.arguments = report.arguments;
  std::sort(record.arguments.begin(), record.arguments.end());
  record.arguments.erase(std::unique(record.arguments.begin(), record.arguments.end()), record.arguments.end());
  record.results = report.results;
  record.as_of = report.as_of;
  const Result<void> told = access::Reporter(root).report(std::move(record));
  if (told.ok()) return;
  output.note(told.error().code == Code::kNotFound
                  ? "note: no writer runs here, so this read with a decrypt key is in no access record"
                  : "note: this read with a decrypt key is not recorded: the writer did not confirm it");
}

}  // namespace khipu::cli
