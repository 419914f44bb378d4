// Every command of `khipu`, one function each (their files: NAME_command.cc), and the table of them.
#pragma once

#include <memory>
#include <vector>

#include "engine/cli/command.h"

namespace khipu::cli {

std::unique_ptr<Command> make_init_command();
std::unique_ptr<Command> make_serve_command();
std::unique_ptr<Command> make_append_command();
std::unique_ptr<Command> make_import_command();
std::unique_ptr<Command> make_dlq_command();
std::unique_ptr<Command> make_query_command();
std::unique_ptr<Command> make_aggregate_command();
std::unique_ptr<Command> make_history_command();
std::unique_ptr<Command> make_verify_command();
std::unique_ptr<Command> make_prove_command();
std::unique_ptr<Command> make_verify_proof_command();
std::unique_ptr<Command> make_export_command();
std::unique_ptr<Command> make_export_tlog_command();
std::unique_ptr<Command> make_status_command();
std::unique_ptr<Command> make_checkpoint_command();
std::unique_ptr<Command> make_recover_command();
std::unique_ptr<Command> make_keys_list();
std::unique_ptr<Command> make_keys_export();
std::unique_ptr<Command> make_keys_init();
std::unique_ptr<Command> make_keys_check();
std::unique_ptr<Command> make_keys_rotate();
std::unique_ptr<Command> make_keys_rewrap();
std::unique_ptr<Command> make_keys_adopt();
std::unique_ptr<Command> make_keys_export_public();
std::unique_ptr<Command> make_keys_lock();
std::unique_ptr<Command> make_keys_unlock();
std::unique_ptr<Command> make_shred_command();
std::unique_ptr<Command> make_token_add();
std::unique_ptr<Command> make_token_list();
std::unique_ptr<Command> make_token_revoke();
std::unique_ptr<Command> make_types_list();
std::unique_ptr<Command> make_types_show();
std::unique_ptr<Command> make_types_add();
std::unique_ptr<Command> make_types_infer();
std::unique_ptr<Command> make_columns_list();
std::unique_ptr<Command> make_columns_add();
std::unique_ptr<Command> make_retention_command();
std::unique_ptr<Command> make_hold_command();
std::unique_ptr<Command> make_version_command();

// The table, in the order `khipu --help` shows it.
std::vector<std::unique_ptr<Command>> all_commands();

}  // namespace khipu::cli
