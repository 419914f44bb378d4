#include "engine/cli/writer_access.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/cli/root.h"
#include "engine/daemon/answer.h"
#include "engine/daemon/limits_json.h"
#include "engine/ingest/wire.h"
#include "engine/os/clock.h"
#include "engine/os/lock_file.h"
#include "engine/os/process.h"

namespace khipu::cli {
namespace {

constexpr int64_t kBusyMaxMs = 60000;  // how long a writer that takes nothing is waited for
constexpr int64_t kRetryAfterMaxS = 10;
constexpr int64_t kLookMs = 100;

}  // namespace

Result<RunningWriter> running_writer(const std::string& root) {
  KHIPU_TRY_ASSIGN(os::SocketPath path, os::SocketPath::make(root, "ingest.sock"));
  std::unique_ptr<daemon::HttpClient> client = daemon::HttpClient::open_local(std::move(path));
  KHIPU_TRY_ASSIGN(daemon::HttpAnswer answer, client->get("/v1/status"));
  if (answer.status != 200) return daemon::parse_error(answer);
  return RunningWriter{std::move(client), std::move(answer.body)};
}

std::string WriterAccess::scope() { return "uid:" + std::to_string(os::effective_user_id()); }

Result<std::unique_ptr<WriterAccess>> WriterAccess::open(const std::string& root, const std::string& keys,
                                                         const std::string& role,
                                                         const std::string& network_filesystem) {
  os::disable_core_dumps();  // the signing key, and values before they are sealed
  std::unique_ptr<WriterAccess> access(new WriterAccess());
  KHIPU_TRY_ASSIGN(access->root_, os::open_directory(root));
  KHIPU_TRY(need_log(*access->root_, root));
  KHIPU_TRY_ASSIGN(const os::LockHolder holder, os::lock_holder(*access->root_));
  if (holder.held) {
    Result<RunningWriter> running = running_writer(root);
    if (running.ok()) {
      KHIPU_TRY_ASSIGN(access->limits_, daemon::parse_limits(running->status));
      KHIPU_TRY_ASSIGN(access->batch_size_bytes_max_, daemon::parse_body_limit(running->status));
      access->client_ = std::move(running->client);
      return access;
    }
    // A writer that refuses us says why; without a socket the lock below names who holds it.
    if (running.error().code != Code::kNotFound) return std::move(running).error();
  }
  KHIPU_TRY(refuse_network_filesystem(root, network_filesystem));
  KHIPU_TRY_ASSIGN(access->keys_, os::open_directory(keys));
  writer::Options options;
  options.role = role;
  options.keeps_idempotency_bounds = true;
  options.sync = writer::SyncPolicy::kAlways;  // one submission at a time: waiting for others would only wait
  const writer::Environment environment{*access->root_, *access->keys_, os::system_clock(), os::system_random()};
  auto opened = writer::Writer::open(environment, options);
  const bool serves = holder.diagnostics.find("role=serve") != std::string::npos;
  if (!opened.ok() && opened.error().code == Code::kLocked && serves) {
    return Error{Code::kLocked, opened.error().message + "; nobody answers at " + root +
                                    "/ingest.sock: its socket was removed, and it makes it again when it is started "
                                    "anew"};
  }
  KHIPU_TRY_ASSIGN(access->writer_, std::move(opened));
  return access;
}

WriterAccess::~WriterAccess() = default;

Result<daemon::HttpAnswer> WriterAccess::post(const std::string& path, std::string_view content_type,
                                              std::string_view body) {
  int64_t waited_ms = 0;
  for (;;) {
    KHIPU_TRY_ASSIGN(daemon::HttpAnswer answer, client_->post(path, content_type, body, {}));
    if (answer.status != 503 || !answer.retry_after_s) return answer;
    const Error error = daemon::parse_error(answer);
    if (error.code != Code::kBusy) return answer;  // it has stopped, and waiting does not start it
    const int64_t wait_ms = std::clamp<int64_t>(*answer.retry_after_s, 1, kRetryAfterMaxS) * 1000;
    if (waited_ms + wait_ms > kBusyMaxMs) {
      return Error{Code::kBusy, "the running writer has been busy for " + std::to_string(waited_ms / 1000) +
                                    " s and took nothing meanwhile: " + error.message};
    }
    if (waited_ms == 0 && tell) tell("the running writer is busy (" + error.message + "): waiting");
    for (int64_t slept_ms = 0; slept_ms < wait_ms; slept_ms += kLookMs) {
      if (interrupted && interrupted()) return Error{Code::kCancelled, "interrupted"};
      std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
    }
    waited_ms += wait_ms;
  }
}

std::string WriterAccess::over_limit(uint64_t size) const {
  return std::to_string(size) + " bytes as it is sent, and the running writer takes at most " +
         std::to_string(batch_size_bytes_max_) + " (http.body_size_bytes_max)";
}

std::optional<std::string> WriterAccess::too_large(const ingest::Batch& batch) const {
  if (writer_ || ingest::encoded_size_max(batch) <= batch_size_bytes_max_) return std::nullopt;
  const size_t size = ingest::encode_batch(batch).size();
  if (size <= batch_size_bytes_max_) return std::nullopt;
  return "it is " + over_limit(size);
}

Result<writer::Receipt> WriterAccess::commit(ingest::Batch batch) {
  if (writer_) return writer_->submit_and_wait(std::move(batch));
  const Buffer body = ingest::encode_batch(batch);
  if (body.size() > batch_size_bytes_max_) {
    return Error{Code::kLimit, "what would be committed at once is " + over_limit(body.size())};
  }
  KHIPU_TRY_ASSIGN(const daemon::HttpAnswer answer, post("/v1/events", "application/cbor", as_text(body)));
  if (answer.status != 200) return daemon::parse_error(answer);
  return daemon::parse_receipt(answer.body);
}

Result<Row> WriterAccess::submit(ingest::Batch batch) {
  KHIPU_TRY_ASSIGN(const writer::Receipt receipt, commit(std::move(batch)));
  return receipt.first_seq;
}

Result<import::Stored> WriterAccess::store(ingest::Batch batch) {
  KHIPU_TRY_ASSIGN(const writer::Receipt receipt, commit(std::move(batch)));
  return import::Stored{receipt.first_seq, receipt.duplicate};
}

Result<WriterAccess::Checkpoint> WriterAccess::publish() {
  if (writer_) {
    KHIPU_TRY(writer_->publish());
    const writer::Status status = writer_->status();
    return Checkpoint{status.checkpoint, status.checkpoint_note};
  }
  KHIPU_TRY_ASSIGN(const daemon::HttpAnswer answer, post("/v1/checkpoint", "application/json", ""));
  if (answer.status != 200) return daemon::parse_error(answer);
  const nlohmann::json json = nlohmann::json::parse(answer.body, nullptr, false);
  if (!json.is_object() || !json.contains("number") || !json["number"].is_number_unsigned() || !json.contains("note") ||
      !json["note"].is_string()) {
    return Error{Code::kCorrupt, "the running writer's answer is not a checkpoint"};
  }
  return Checkpoint{json["number"].get<uint64_t>(), json["note"].get<std::string>()};
}

Result<void> WriterAccess::close() {
  if (!writer_) return {};
  writer_->wait_until_indexed();  // nobody may come for long who would build what is left
  return writer_->close();
}

}  // namespace khipu::cli
