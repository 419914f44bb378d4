#include "engine/cli/commands.h"

namespace khipu::cli {

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(make_init_command());
  commands.push_back(make_serve_command());
  commands.push_back(make_append_command());
  commands.push_back(make_import_command());
  commands.push_back(make_dlq_command());
  commands.push_back(make_query_command());
  commands.push_back(make_aggregate_command());
  commands.push_back(make_history_command());
  commands.push_back(make_verify_command());
  commands.push_back(make_prove_command());
  commands.push_back(make_verify_proof_command());
  commands.push_back(make_export_command());
  commands.push_back(make_export_tlog_command());
  commands.push_back(make_status_command());
  commands.push_back(make_checkpoint_command());
  commands.push_back(make_recover_command());
  commands.push_back(make_keys_list());
  commands.push_back(make_keys_export());
  commands.push_back(make_keys_init());
  commands.push_back(make_keys_check());
  commands.push_back(make_keys_rotate());
  commands.push_back(make_keys_rewrap());
  commands.push_back(make_keys_adopt());
  commands.push_back(make_keys_export_public());
  commands.push_back(make_keys_lock());
  commands.push_back(make_keys_unlock());
  commands.push_back(make_shred_command());
  commands.push_back(make_token_add());
  commands.push_back(make_token_list());
  commands.push_back(make_token_revoke());
  commands.push_back(make_types_list());
  commands.push_back(make_types_show());
  commands.push_back(make_types_add());
  commands.push_back(make_types_infer());
  commands.push_back(make_columns_list());
  commands.push_back(make_columns_add());
  commands.push_back(make_retention_command());
  commands.push_back(make_hold_command());
  commands.push_back(make_version_command());
  return commands;
}

}  // namespace khipu::cli
