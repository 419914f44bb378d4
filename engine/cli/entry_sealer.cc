#include "engine/cli/entry_sealer.h"

#include "engine/cli/key_access.h"
#include "engine/os/clock.h"

namespace khipu::cli {

Result<void> RecipientSealer::ready() {
  if (sealer_) return {};
  KHIPU_TRY_ASSIGN(const KeysOfRoot root, keys_of_root(root_));
  std::vector<protect::Recipient> recipients;
  // A folder that does not open is the writer's own business, and this is another user. A file in it that is not sound
  // is an error, as it is for the writer.
  if (const Result<std::unique_ptr<os::Directory>> keys = os::open_directory(keys_); keys.ok()) {
    Result<std::vector<protect::Recipient>> held = protect::load_recipients(**keys);
    if (!held.ok() && held.error().code != Code::kNotFound) return std::move(held).error();
    if (held.ok()) recipients = std::move(*held);
  }
  if (recipients.empty()) recipients = protect::newest_recipients(root.log.recipients());
  KHIPU_TRY_ASSIGN(sealer_, protect::ParkedSealer::make(root.root, recipients, os::system_clock().now()));
  return {};
}

}  // namespace khipu::cli
