// Seals what `append --park` and `import` set aside in ROOT/dlq, for the log's recipients: with public keys alone, so
// it works beside a running writer too. Not here: the DLQ's lines (engine/import), keys and ciphers (engine/protect).
#pragma once

#include <memory>
#include <string>

#include "engine/import/parking.h"
#include "engine/protect/parked.h"

namespace khipu::cli {

// Owner: one thread. Looks for recipients when first asked: in the writer's keys, and where this user may not look into
// them, among those that meta/ names.
class RecipientSealer final : public import::EntrySealer {
 public:
  RecipientSealer(std::string root, std::string keys) : root_(std::move(root)), keys_(std::move(keys)) {}
  Result<void> ready() override;
  std::string key_id() override { return hex(sealer_->id()); }
  Buffer wrapped_key() override { return sealer_->wrapped(); }
  Result<Buffer> seal(const Hash& place, Bytes raw) override { return sealer_->seal(place, raw); }

 private:
  const std::string root_, keys_;
  std::unique_ptr<protect::ParkedSealer> sealer_;
};

}  // namespace khipu::cli
