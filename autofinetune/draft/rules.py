"""What the names of options mean, and which range suits them: data only.

The rules are in order of importance: if a script has more hyperparameters than a search of some
fifty trials can explore, the first ones are searched. A word is a sequence of parts of a name:
`weight_decay` occurs in `adam-weight-decay`. Of several words in a name the longest wins, then the
one nearer to its end, as in `lr_decay`, which is a decay and not a learning rate. A word after =
is the whole name.
"""

from __future__ import annotations

from dataclasses import dataclass

from autofinetune.draft.shapes import (
    Shape,
    alpha,
    around,
    between,
    doubled,
    gamma,
    near,
    odd,
    small,
    switched,
)


@dataclass(frozen=True)
class Rule:
    """The range for options with one of these words in their names.

    Args:
        words: separated by spaces.
        shape: makes the range from the default; None keeps the choices that the script gives.
        why: why this range, for the comment.
        usual: the initial value where the script has no default; None if that differs too much.
    """

    words: str
    shape: Shape | None
    why: str
    usual: float | None = None


_LOG100 = "a hundredth to a hundred times of it, on a logarithmic scale"
_LOG10 = "a tenth to ten times of it, on a logarithmic scale"
_WIDE = "a hundredth to ten times of it, on a logarithmic scale"
_POWERS = "halved and doubled"
_GIVEN = "the choices of the script"

RULES = (
    Rule("lr learning_rate learningrate base_lr lr_base init_lr initial_lr lr_init lr0 blr max_lr "
         "peak_lr", around(10, 10, most=1.0), _LOG10, 0.001),
    Rule("eta", around(30, 3, most=1.0), "down to a thirtieth, on a logarithmic scale", 0.3),
    Rule("weight_decay wd l2 l2_reg l2_penalty l2_regularization reg regularization "
         "regularisation reg_strength =decay",
         around(100, 10, most=0.5, zero=(1e-5, 1e-4, 1e-3, 0.01, 0.1)), _WIDE, 0.0001),
    Rule("batch_size batchsize bs bsz =batch train_batch_size minibatch_size micro_batch_size",
         doubled(2, 1), "halved and doubled; larger ones may not fit into memory", 32),
    Rule("optimizer optimiser optim opt solver", None, _GIVEN),
    Rule("dropout drop dropout_rate drop_rate droprate drop_prob dropout_prob dropout_p p_drop "
         "pdrop drop_path drop_path_rate attn_drop lora_dropout stochastic_depth",
         between(0.0, 0.5, wider=(0.0, 0.9)), "none to half", 0.1),
    Rule("keep_prob", between(0.5, 1.0, wider=(0.1, 1.0)), "half to all", 0.9),
    Rule("max_depth", between(2, 12, wider=(1, 40)), "shallow to deep trees", 6),
    Rule("n_estimators num_estimators num_boost_round num_round n_trees num_trees ntree",
         around(4, 4), "a quarter to four times of it", 100),
    Rule("hidden hidden_size hidden_dim hidden_units hidden_channels hidden_features hid hid_dim "
         "nhid n_hidden num_hidden units num_units n_units width d_model dim model_dim emb_dim "
         "embed_dim embedding_dim embedding_size embed_size emb_size emsize n_embd d_ff ff_dim "
         "ffn_dim mlp_dim dim_feedforward channels n_channels num_channels filters num_filters "
         "n_filters latent_dim latent_size z_dim nz ngf ndf rnn_size lstm_size lin_size fc_size",
         doubled(1, 1), _POWERS, 64),
    Rule("layers num_layers n_layers nlayers n_layer num_layer num_blocks n_blocks e_layers "
         "d_layers num_hidden_layers", small(), "around it", 2),
    Rule("momentum mom sgd_momentum", between(0.5, 0.99, wider=(0.0, 0.999)),
         "the usual values", 0.9),
    Rule("=c", around(100, 100), _LOG100, 1.0),
    Rule("gamma discount discount_factor", gamma, "the values that fit its default"),
    Rule("alpha", alpha, "a thirtieth to thirty times of it, on a logarithmic scale"),
    Rule("min_child_weight min_samples_leaf min_child_samples min_data_in_leaf",
         around(10, 10), _LOG10, 1),
    Rule("min_samples_split", between(2, 20, wider=(2, 400)), "few to many", 2),
    Rule("num_leaves max_leaves", around(4, 8), "a quarter to eight times of it", 31),
    Rule("subsample colsample colsample_bytree colsample_bylevel colsample_bynode "
         "feature_fraction bagging_fraction", between(0.5, 1.0, wider=(0.1, 1.0)),
         "half to all", 1.0),
    Rule("reg_lambda l2_leaf_reg lambda lambda_l2", around(100, 10, zero=(0.01, 0.1, 1.0, 10.0)),
         _WIDE, 1.0),
    Rule("reg_alpha lambda_l1 l1 l1_reg", around(100, 10, zero=(0.01, 0.1, 1.0, 10.0)), _WIDE),
    Rule("l1_ratio", between(0.0, 1.0), "all of its range", 0.5),
    Rule("n_neighbors num_neighbors", around(5, 5), "a fifth to five times of it", 5),
    Rule("lora_r lora_rank lora_alpha", doubled(1, 2), _POWERS, 8),
    Rule("warmup_ratio warmup_fraction warmup_proportion", between(0.0, 0.2, wider=(0.0, 1.0)),
         "none to a fifth of the training", 0.05),
    Rule("label_smoothing label_smoothing_factor smoothing", between(0.0, 0.2, wider=(0.0, 0.5)),
         "none to a fifth", 0.1),
    Rule("mixup mixup_alpha cutmix cutmix_alpha", between(0.0, 1.0), "none to all"),
    Rule("ent_coef entropy_coef entropy_coeff entropy_beta",
         around(100, 10, zero=(1e-4, 1e-3, 0.01, 0.1)), _WIDE, 0.01),
    Rule("clip_coef clip_range clip_param clip_epsilon", between(0.05, 0.4, wider=(0.0, 1.0)),
         "the usual values", 0.2),
    Rule("gae_lambda lam", between(0.8, 1.0, wider=(0.0, 1.0)), "close to 1", 0.95),
    Rule("vf_coef value_coef value_loss_coef", around(5, 4), "a fifth to four times of it", 0.5),
    Rule("num_minibatches n_minibatches", doubled(1, 2), _POWERS),
    Rule("update_epochs ppo_epochs", small(), "around it"),
    Rule("tau polyak", around(10, 10, most=1.0), _LOG10),
    Rule("train_frequency policy_frequency", doubled(1, 1), _POWERS),
    Rule("target_network_frequency target_update_interval", around(10, 10), _LOG10),
    Rule("exploration_fraction", between(0.05, 0.9, wider=(0.0, 1.0)), "most of its range"),
    Rule("clip grad_clip clip_grad max_grad_norm clip_norm grad_norm clip_grad_norm "
         "gradient_clip gradient_clip_val clip_gradient", around(10, 10), _LOG10),
    Rule("temperature temp distillation_tau", around(10, 10), _LOG10),
    Rule("margin", around(10, 5), "a tenth to five times of it, on a logarithmic scale"),
    Rule("distillation_alpha", between(0.0, 1.0), "all of its range"),
    Rule("heads num_heads n_heads n_head nhead nheads num_attention_heads", doubled(1, 1),
         f"{_POWERS}; must divide the hidden size", 4),
    Rule("scheduler lr_scheduler lr_schedule lr_scheduler_type sched schedule lr_policy", None,
         _GIVEN),
    Rule("activation act act_fn act_layer hidden_act nonlinearity activation_function", None,
         _GIVEN),
    Rule("=norm norm_type norm_layer normalization", None, _GIVEN),
    Rule("pool pooling pool_type =init initializer init_type =kernel penalty", None, _GIVEN),
    Rule("kernel_size ksize", odd, "the odd numbers around it", 3),
    Rule("lr_decay decay_rate lr_gamma lr_factor decay_factor scheduler_factor lr_decay_rate",
         gamma, "the values that fit its default"),
    Rule("layer_decay", between(0.5, 1.0), "half to all", 0.75),
    Rule("beta1 adam_beta1 b1", between(0.8, 0.99, wider=(0.0, 0.999)), "the usual values", 0.9),
    Rule("beta2 adam_beta2 b2", between(0.9, 0.9999, wider=(0.0, 0.99999)), "the usual values",
         0.999),
    Rule("nesterov amsgrad bidirectional tied layer_norm batch_norm use_bn use_layernorm "
         "norm_adv anneal_lr fit_intercept bias residual", switched, "on and off"),
    Rule("loss_weight weight coef coeff", around(10, 10), _LOG10),
    Rule("degree", small(), "around it", 3),
    Rule("adam_epsilon eps epsilon opt_eps adam_eps", around(10, 1000, most=0.5),
         "rarely matters", 1e-8),
    Rule("min_lr lr_min end_lr final_lr warmup_lr lr_final lr_end", around(100, 10), _WIDE),
)  # fmt: skip

# What may follow a word without changing its meaning, as in `lr_encoder`.
QUALIFIERS = (
    "a b c d e f g q v x y enc dec encoder decoder generator discriminator gen disc actor critic "
    "policy value head heads backbone body bert net model init initial base start train training "
    "optimizer adam sgd per gpu device rate prob coef factor in hidden layer fc conv cnn rnn lstm "
    "mlp lora attn attention emb embedding text image audio total global local default"
)

_COST = "keep it fixed: longer trainings score better and cost more"
_LENGTH = "depends on the length of the training"
LATER = (
    Rule("epochs epoch num_epochs n_epochs max_epochs max_epoch nb_epochs num_train_epochs",
         near, _COST),
    Rule("steps max_steps num_steps n_steps train_steps max_train_steps iters max_iters n_iters "
         "iterations num_iterations n_iter max_iter niter total_timesteps timesteps kimg",
         around(2, 2), _COST),
    Rule("warmup warmup_steps num_warmup_steps warmup_epochs warmup_iters warmup_updates "
         "decay_epochs decay_steps lr_decay_iters lr_decay_steps lr_decay_epochs lr_step "
         "step_size lr_step_size cooldown_epochs", around(4, 4), _LENGTH),
    Rule("patience patience_epochs early_stopping early_stopping_rounds early_stopping_patience",
         around(2, 2), "decides when to stop; an --assessor does that for all trials"),
    Rule("gradient_accumulation_steps total_batch_size grad_accum_steps accumulation_steps "
         "accum_iter grad_accum accumulate", doubled(0, 2),
         "multiplies the batch size, which is searched itself"),
    Rule("seq_len max_seq_len max_seq_length sequence_length max_length max_len block_size "
         "context_length cutoff_len bptt seq_length img_size image_size imgsz resolution "
         "crop_size model_max_length", doubled(1, 1), "changes the data and the cost of a trial"),
    Rule("model arch architecture net network backbone", None,
         "the other values depend on the model; give each model a run of its own"),
    Rule("loss criterion objective loss_type loss_fn", None,
         "scores that are losses cannot be compared under different ones"),
    Rule("depth", small(), "only some depths may be allowed"),
    Rule("ema_decay model_ema_decay", between(0.9, 0.99999), _LENGTH),
    Rule("buffer_size num_envs n_envs learning_starts max_bin target_kl num_gradient_steps",
         around(4, 4), "a matter of memory and time"),
)  # fmt: skip

_DATA = "where data and files are, and how they are split"
_NAMES = "a name or a label"
_MACHINE = "how and where it runs"
_LOGGING = "logging, evaluation and saving"
_TASK = "given by the data and the task"
LEFT_OUT = (
    ("path dir file folder root data dataset datasets outdir output out save checkpoint "
     "checkpoints ckpt resume load pretrained weights config cfg url cache csv json model_name "
     "tokenizer_name start_epoch initial_checkpoint split fold folds subset num_samples "
     "train_size max_train_samples max_samples download teacher teacher_path finetune "
     "max_predict_samples base_model init_from", _DATA),
    ("name project entity tag tags notes exp experiment id task env env_id version user", _NAMES),
    ("seed seeds random_state random_seed", "a seed; --repeats averages over the randomness"),
    ("device devices gpu gpus gpu_id cuda cpu accelerator rank local_rank world_size dist ddp "
     "fsdp distributed backend port host address master nodes node precision fp16 bf16 fp32 tf32 "
     "amp half dtype compile channels_last nhwc nproc deterministic benchmark workers num_workers "
     "threads n_threads n_jobs jobs prefetch pin_memory pin_mem torchcompile checkpointing "
     "grad_checkpointing tree_method", _MACHINE),
    ("log logs logging print verbose verbosity quiet progress profile debug dry_run dryrun "
     "interval freq frequency every save_every report tensorboard wandb track monitor snap "
     "metrics metric recovery", _LOGGING),
    ("num_classes n_classes nclasses nb_classes nc num_labels in_channels in_chans in_dim "
     "input_dim input_size out_channels out_dim output_dim output_size vocab_size enc_in dec_in "
     "c_out pred_len label_len num_features img_width img_height", _TASK),
)  # fmt: skip
# Options for where a script saves its model: the whole names, the most certain first.
OUTPUT = (
    "output_dir out_dir outdir outputdir save_dir savedir model_dir checkpoint_dir ckpt_dir "
    "checkpoints_dir work_dir workdir working_dir result_dir results_dir run_dir exp_dir "
    "save_path checkpoint_path ckpt_path save_model_path output_path save_to output out save "
    "checkpoint"
)
# Wherever they occur in a name, the option has no influence on the training.
ALWAYS_LEFT_OUT = (
    ("test val valid overfit validation eval evaluation inference generate predict", _LOGGING),
    ("wandb tensorboard mlflow logger callbacks checkpoint ckpt logging", _LOGGING),
    ("seed", "a seed; --repeats averages over the randomness"),
)
