// What the listeners need of a writer, and no more: tests put a full, a failing or a poisoned one in its place.
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "engine/ingest/event.h"
#include "engine/registry/schema.h"
#include "engine/writer/writer.h"

namespace khipu::daemon {

// Any thread.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual Result<writer::Receipt> submit(ingest::Batch batch) = 0;  // returns when durable (or accepted, under `os`)
  virtual std::shared_ptr<const registry::Schema> schema() const = 0;
  virtual writer::Status status() const = 0;
  virtual Result<void> publish() = 0;  // returns when a checkpoint covers all that is committed
};

class WriterSink final : public EventSink {
 public:
  explicit WriterSink(writer::Writer& writer) : writer_(writer) {}
  Result<writer::Receipt> submit(ingest::Batch batch) override { return writer_.submit_and_wait(std::move(batch)); }
  std::shared_ptr<const registry::Schema> schema() const override { return writer_.schema(); }
  writer::Status status() const override { return writer_.status(); }
  Result<void> publish() override { return writer_.publish(); }

 private:
  writer::Writer& writer_;
};

}  // namespace khipu::daemon
