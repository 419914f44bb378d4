// How a command hands the writer something: through the socket of a running `khipu serve`, else by taking the lock and
// being the writer for a moment. Not here: what is handed over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/daemon/http.h"
#include "engine/import/runner.h"
#include "engine/os/file.h"
#include "engine/writer/writer.h"

namespace khipu::cli {

// Owner: one thread.
class WriterAccess final : public import::Sink {
 public:
  // kLocked, quoting the holder, when another process has the root and no socket answers.
  static Result<std::unique_ptr<WriterAccess>> open(const std::string& root, const std::string& keys,
                                                    const std::string& role, const std::string& network_filesystem);
  ~WriterAccess() override;

  Result<writer::Receipt> commit(ingest::Batch batch);
  Result<Row> submit(ingest::Batch batch) override;
  Result<import::Stored> store(ingest::Batch batch) override;
  std::optional<std::string> too_large(const ingest::Batch& batch) const override;
  struct Checkpoint {
    uint64_t number = 0;
    std::string note;
  };
  Result<Checkpoint> publish();  // of all that is committed
  // Ends with all synced, when we are the writer.
  Result<void> close();

  bool running() const { return client_ != nullptr; }     // another process is the writer
  daemon::HttpClient* client() { return client_.get(); }  // when running()
  writer::Writer* writer() { return writer_.get(); }      // when not
  const ingest::Limits& limits() const { return limits_; }
  // How large what is committed at once may be, as it is sent. kLimit beyond.
  uint64_t batch_size_bytes_max() const { return batch_size_bytes_max_; }
  // While the running writer is busy, commits wait as it tells us to, a minute at most. `interrupted`, when it is set,
  // ends that early; `tell` is what says so, at first once a commit.
  std::function<bool()> interrupted;
  std::function<void(const std::string&)> tell;
  os::Directory& root() { return *root_; }
  // What the idempotency keys of this user are kept apart by, as the running writer would say it.
  static std::string scope();

 private:
  WriterAccess() = default;
  std::string over_limit(uint64_t size) const;
  Result<daemon::HttpAnswer> post(const std::string& path, std::string_view content_type, std::string_view body);
  std::unique_ptr<os::Directory> root_, keys_;
  ingest::Limits limits_;  // of the running writer, or the defaults
  uint64_t batch_size_bytes_max_ = UINT64_MAX;
  std::unique_ptr<daemon::HttpClient> client_;
  std::unique_ptr<writer::Writer> writer_;
};

struct RunningWriter {
  std::unique_ptr<daemon::HttpClient> client;
  std::string status;  // what it answered to GET /v1/status
};
// A client of the socket in the root, when a writer answers there.
Result<RunningWriter> running_writer(const std::string& root);

}  // namespace khipu::cli
