// `khipu append`: canonical events from standard input, one JSON object a line.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/utf8.h"
#include "engine/cli/append_reader.h"
#include "engine/cli/commands.h"
#include "engine/cli/definitions.h"
#include "engine/cli/entry_sealer.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/cli/writer_access.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/wipe_freed.h"
#include "engine/import/parking.h"
#include "engine/import/protecting.h"
#include "engine/os/standard_input.h"

namespace khipu::cli {
namespace {

constexpr std::string_view kEventPrefix = "event ";
// What a batch holds, whoever writes: with a writer whose limits are smaller than twice this, half of its limit.
constexpr uint64_t kBatchSizeBytesMax = 32ULL << 20;
constexpr size_t kKeySizeBytesMax = 245;  // "/" and the number of the batch behind it, the writer takes 256

// "event 3: actor.id: ..." names an event of the batch: which one, and the message without that.
std::optional<size_t> event_of(std::string& message, size_t count) {
  if (!message.starts_with(kEventPrefix)) return std::nullopt;
  const size_t colon = message.find(": ");
  const std::string digits = message.substr(kEventPrefix.size(), colon - kEventPrefix.size());
  if (colon == std::string::npos || digits.empty() || digits.size() > 9 ||
      digits.find_first_not_of("0123456789") != std::string::npos || std::stoul(digits) >= count) {
    return std::nullopt;
  }
  message.erase(0, colon + 2);
  return std::stoul(digits);
}

class AppendCommand final : public Command {
 public:
  std::string name() const override { return "append"; }
  std::string summary() const override { return "Add events from standard input, one JSON object a line"; }
  std::string details() const override {
    return "Goes through a running `khipu serve`, else takes the lock itself. Lines are committed in batches "
           "(--batch);\n"
           "a batch is added whole or not at all, and its seqs are printed when it is durable. A bad line stops the\n"
           "command: nothing of its batch is added. With --park bad lines are set aside in ROOT/dlq (khipu dlq reads "
           "them;\n"
           "sealed where the log protects fields) and the rest goes on.\n"
           "With --idempotency-key a repeat wants the same lines in the same batches: the same --batch, and where the\n"
           "running writer's limits.batch_events_max is below --batch, or its http.body_size_bytes_max below 64 MiB, "
           "the\n"
           "same of these.\n\n"
           "Examples:\n  khipu append /srv/audit < events.jsonl\n"
           "  echo '{\"actor\":{\"type\":\"user\",\"id\":\"u-1\"},\"action\":\"login\"}' | khipu append /srv/audit\n"
           "  khipu append /srv/audit --idempotency-key upload-17 < events.jsonl   # safe to repeat\n\n"
           "Exit codes: 0 all added, 1 all but the parked lines added, 3 stopped (what was printed is added).";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.number("--batch", batch_lines_, 1, 10000, "lines committed together; default 1000");
    arguments.flag("--park", park_, "set bad lines aside in ROOT/dlq instead of stopping; default: stop");
    arguments.text("--idempotency-key", key_, "KEY",
                   "add this input once: batch N gets the key KEY/N; same key with other lines is refused");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }

  Result<Exit> run(Output& output) override {
    if (key_.size() > kKeySizeBytesMax || !valid_utf8(as_bytes(key_))) {
      return Error{Code::kInvalid, "--idempotency-key: 1 to " + std::to_string(kKeySizeBytesMax) + " bytes of UTF-8"};
    }
    KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> writer,
                     WriterAccess::open(root_, keys_path(root_, keys_), "append", network_));
    writer->tell = [&output](const std::string& what) { output.note(what); };
    RecipientSealer sealer(root_, keys_path(root_, keys_));
    import::DlqFile parking(writer->root(), &sealer);
    look_at_schema();  // before the first line is read
    writer_ = writer.get();
    parking_ = &parking;
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::StandardInput> input, os::StandardInput::open());
    AppendReader reader(
        LineInput([&](std::span<uint8_t> into) { return input->read(into); },
                  writer->limits().event_size_bytes_max + (1U << 20)),
        std::min<uint64_t>(batch_lines_, writer->limits().batch_events_max), [&] { input->stop(); }, park_,
        writer->limits(), std::min(kBatchSizeBytesMax, writer->batch_size_bytes_max() / 2));
    for (;;) {
      KHIPU_TRY_ASSIGN(const std::unique_ptr<AppendLines> lines, reader.next());
      if (lines == nullptr) break;
      KHIPU_TRY(commit(*lines, output));
      KHIPU_TRY(output.check());
    }
    KHIPU_TRY(writer->close());
    if (!output.json()) {
      output.line("added " + std::to_string(added_) + (added_ == 1 ? " event" : " events") +
                  (parked_ > 0 ? ", parked " + std::to_string(parked_) + " in dlq/" : ""));
    } else {
      output.document(
          {{"schema", "khipu.append/v1"}, {"added", added_}, {"duplicates", duplicates_}, {"parked", parked_}});
    }
    return parked_ > 0 ? Exit::kFinding : Exit::kOk;
  }

 private:
  // A log too damaged to be read here still takes events: then any of them may hold what is protected.
  void look_at_schema() {
    const Result<registry::Schema> schema = current_schema(root_);
    const bool protects = !schema.ok() || schema->protects();
    if (protects && !protects_) crypto::wipe_freed_memory();
    protects_ = protects;
  }

  Result<void> park(const AppendLine& line, const std::string& reason) {
    look_at_schema();  // fields may have become protected since the last time
    // What a bad line holds may be what the schema protects (P7): then it is sealed, and the reason quotes nothing.
    const std::string told = protects_ ? import::reason_without_values(reason) : reason;
    KHIPU_TRY(parking_->park({"-", "canonical", line.number, line.offset, told, as_bytes(line.text), protects_}));
    ++parked_;
    untold_.push_back("line " + std::to_string(line.number) + ": parked: " + printable(told));
    return {};
  }

  // One batch. When a line is refused it is parked and the batch made again without it, or that is the Error.
  Result<void> commit(AppendLines& batch, Output& output) {
    ++batches_;
    std::vector<AppendLine>& lines = batch.lines;
    const uint64_t first_line = lines.empty() ? 0 : lines.front().number;
    std::optional<Hash> body;
    if (!key_.empty()) body = crypto::sha256(as_bytes(batch.body));
    while (!lines.empty()) {
      size_t bad = batch.bad;
      if (bad == lines.size()) {
        if (body) {
          batch.batch.key = ingest::IdempotencyKey{WriterAccess::scope(), key_ + "/" + std::to_string(batches_), *body};
        }
        bad = too_large(batch);
      }
      if (bad == lines.size()) {
        KHIPU_TRY(sync_parked(output));
        Result<writer::Receipt> receipt = writer_->commit(std::move(batch.batch));
        if (receipt.ok()) return print(*receipt, lines.size(), output);
        batch.reason = receipt.error().message;
        const std::optional<size_t> event =
            receipt.error().code == Code::kInvalid || receipt.error().code == Code::kLimit
                ? event_of(batch.reason, lines.size())
                : std::nullopt;
        if (!event) return told(std::move(receipt).error(), first_line);
        bad = *event;
      }
      if (!park_) {
        return Error{Code::kInvalid, "line " + std::to_string(lines[bad].number) + ": " + batch.reason +
                                         "; nothing of its batch was added (" + std::to_string(added_) +
                                         " events before it were)"};
      }
      KHIPU_TRY(park(lines[bad], batch.reason));
      lines.erase(lines.begin() + static_cast<ptrdiff_t>(bad));
      batch.parse();
    }
    return sync_parked(output);
  }

  // The first line that the running writer would not take by itself, for what is sent at once is bounded.
  size_t too_large(AppendLines& batch) const {
    if (!writer_->too_large(batch.batch)) return batch.lines.size();
    for (size_t i = 0; i < batch.lines.size(); ++i) {
      ingest::Batch alone;
      alone.key = batch.batch.key;
      alone.events.push_back(batch.batch.events[i]);
      if (const std::optional<std::string> why = writer_->too_large(alone)) {
        batch.reason = *why;
        return i;
      }
    }
    return batch.lines.size();
  }

  Error told(Error error, uint64_t first_line) const {
    const bool repeat = error.code == Code::kConflict && error.message.find("Idempotency-Key") != std::string::npos;
    if (key_.empty() || !repeat) return error;
    error.message = "the batch that begins with line " + std::to_string(first_line) + ", key " + printable(key_) + "/" +
                    std::to_string(batches_) + ": " + error.message +
                    ". A repeat wants the same lines in the same batches, which --batch and limits of the running "
                    "writer (limits.batch_events_max, http.body_size_bytes_max) bound";
    return error;
  }

  // A line is said to be parked when it is in dlq/.
  Result<void> sync_parked(Output& output) {
    if (untold_.empty()) return {};
    if (Result<void> synced = parking_->sync(); !synced.ok()) {
      Error error = std::move(synced).error();
      error.message += "; nothing of this batch was added";
      return error;
    }
    for (const std::string& one : untold_) output.note(one);
    untold_.clear();
    return {};
  }

  Result<void> print(const writer::Receipt& receipt, size_t lines, Output& output) {
    added_ += receipt.duplicate ? 0 : receipt.count;
    duplicates_ += receipt.duplicate ? receipt.count : 0;
    const uint64_t first = receipt.first_seq.value;
    if (output.json()) {
      output.document({{"schema", "khipu.receipt/v1"},
                       {"first_seq", first},
                       {"count", receipt.count},
                       {"durable", receipt.durable},
                       {"duplicate", receipt.duplicate}});
    } else {
      output.line("seq " + std::to_string(first) +
                  (lines > 1 ? " to " + std::to_string(first + receipt.count - 1) : std::string()) +
                  (receipt.duplicate ? ": added before under this key" : ""));
    }
    return {};
  }

  std::string root_, keys_, key_, network_;
  uint64_t batch_lines_ = 1000;
  bool park_ = false, protects_ = false;
  WriterAccess* writer_ = nullptr;         // during run()
  import::ParkingLot* parking_ = nullptr;  // during run()
  std::vector<std::string> untold_;        // lines that are parked and not synced yet
  uint64_t added_ = 0, duplicates_ = 0, parked_ = 0, batches_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_append_command() { return std::make_unique<AppendCommand>(); }

}  // namespace khipu::cli
