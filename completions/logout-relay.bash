# Completion of logout-relay, made from its commands: see "logout-relay completion --help".
_logout_relay() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} at='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in
      --alg|--claims|--client|--env-file|--file|--from|--header|--in|--issuer|--key|--kid|--limit|--offsets|--oidc-session|--out|--preset|--rate|--reason|--registered-at|--retire-after|--rp|--session|--sid|--since|--sub|--to|--topic|--type|--uri|--user|--wait) ((i++)); continue ;;
    esac
    case "$at ${COMP_WORDS[i]}" in
      ' serve'|' reconcile'|' replay'|' sessions'|' clients'|' backlog'|' send'|' keys'|' shadow'|' trace'|' doctor'|' map'|' schema'|' env'|' completion'|'sessions list'|'sessions show'|'sessions register'|'sessions remove'|'clients list'|'clients show'|'clients set'|'clients pause'|'clients resume'|'clients retire'|'clients remove'|'backlog list'|'backlog show'|'backlog retry'|'backlog discard'|'send session-terminated'|'send user-signed-out'|'keys new'|'keys list'|'keys rotate'|'keys from-pem'|'shadow report') at="${at:+$at }${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at:$prev" in
    ':--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'serve:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'reconcile:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'replay:--type') mapfile -t COMPREPLY < <(compgen -W 'session-terminated user-signed-out' -- "$cur"); return ;;
    'replay:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'sessions:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'sessions list:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'sessions show:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'sessions register:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'sessions remove:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients list:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients show:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients set:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients pause:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients resume:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients retire:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'clients remove:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'backlog:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'backlog list:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'backlog show:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'backlog retry:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'backlog discard:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'send:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'send session-terminated:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'send user-signed-out:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'keys:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'keys new:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'keys list:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'keys rotate:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'keys from-pem:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'shadow:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'shadow report:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'trace:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'doctor:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'map:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'schema:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'env:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    'completion:--env-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
  esac
  case "$at" in
    '') mapfile -t COMPREPLY < <(compgen -W 'serve reconcile replay sessions clients backlog send keys shadow trace doctor map schema env completion --version -V --env-file --help -h' -- "$cur") ;;
    'serve') mapfile -t COMPREPLY < <(compgen -W '--help -h --version -V --env-file' -- "$cur") ;;
    'reconcile') mapfile -t COMPREPLY < <(compgen -W '--dry-run --rate --wait --json --help -h --version -V --env-file' -- "$cur") ;;
    'replay') mapfile -t COMPREPLY < <(compgen -W '--from --since --to --offsets --failed --discarded --dead-letters --dry-run --type --reason --issuer --session --user --client --rate --wait --json --help -h --version -V --env-file' -- "$cur") ;;
    'sessions') mapfile -t COMPREPLY < <(compgen -W 'list show register remove --help -h --version -V --env-file' -- "$cur") ;;
    'sessions list') mapfile -t COMPREPLY < <(compgen -W '--issuer --user --client --limit --json --help -h --version -V --env-file' -- "$cur") ;;
    'sessions show') mapfile -t COMPREPLY < <(compgen -W '--issuer --json --help -h --version -V --env-file' -- "$cur") ;;
    'sessions register') mapfile -t COMPREPLY < <(compgen -W '--issuer --stdin --session --oidc-session --client --user --uri --sub --sid --session-required --alg --claims --registered-at --json --help -h --version -V --env-file' -- "$cur") ;;
    'sessions remove') mapfile -t COMPREPLY < <(compgen -W '--issuer --oidc-session --client --yes --json --help -h --version -V --env-file' -- "$cur") ;;
    'clients') mapfile -t COMPREPLY < <(compgen -W 'list show set pause resume retire remove --help -h --version -V --env-file' -- "$cur") ;;
    'clients list') mapfile -t COMPREPLY < <(compgen -W '--issuer --failing --limit --json --help -h --version -V --env-file' -- "$cur") ;;
    'clients show') mapfile -t COMPREPLY < <(compgen -W '--issuer --json --help -h --version -V --env-file' -- "$cur") ;;
    'clients set') mapfile -t COMPREPLY < <(compgen -W '--issuer --uri --session-required --alg --claims --json --help -h --version -V --env-file' -- "$cur") ;;
    'clients pause') mapfile -t COMPREPLY < <(compgen -W '--issuer --json --help -h --version -V --env-file' -- "$cur") ;;
    'clients resume') mapfile -t COMPREPLY < <(compgen -W '--issuer --json --help -h --version -V --env-file' -- "$cur") ;;
    'clients retire') mapfile -t COMPREPLY < <(compgen -W '--issuer --json --yes --help -h --version -V --env-file' -- "$cur") ;;
    'clients remove') mapfile -t COMPREPLY < <(compgen -W '--issuer --yes --json --help -h --version -V --env-file' -- "$cur") ;;
    'backlog') mapfile -t COMPREPLY < <(compgen -W 'list show retry discard --help -h --version -V --env-file' -- "$cur") ;;
    'backlog list') mapfile -t COMPREPLY < <(compgen -W '--limit --json --help -h --version -V --env-file' -- "$cur") ;;
    'backlog show') mapfile -t COMPREPLY < <(compgen -W '--issuer --session --limit --json --help -h --version -V --env-file' -- "$cur") ;;
    'backlog retry') mapfile -t COMPREPLY < <(compgen -W '--all --issuer --session --json --help -h --version -V --env-file' -- "$cur") ;;
    'backlog discard') mapfile -t COMPREPLY < <(compgen -W '--issuer --session --yes --json --help -h --version -V --env-file' -- "$cur") ;;
    'send') mapfile -t COMPREPLY < <(compgen -W 'session-terminated user-signed-out --help -h --version -V --env-file' -- "$cur") ;;
    'send session-terminated') mapfile -t COMPREPLY < <(compgen -W '--issuer --reason --topic --wait --json --session --user --help -h --version -V --env-file' -- "$cur") ;;
    'send user-signed-out') mapfile -t COMPREPLY < <(compgen -W '--issuer --reason --topic --wait --json --user --session --help -h --version -V --env-file' -- "$cur") ;;
    'keys') mapfile -t COMPREPLY < <(compgen -W 'new list rotate from-pem --help -h --version -V --env-file' -- "$cur") ;;
    'keys new') mapfile -t COMPREPLY < <(compgen -W '--alg --kid --out --help -h --version -V --env-file' -- "$cur") ;;
    'keys list') mapfile -t COMPREPLY < <(compgen -W '--issuer --file --json --help -h --version -V --env-file' -- "$cur") ;;
    'keys rotate') mapfile -t COMPREPLY < <(compgen -W '--in --alg --kid --retire-after --issuer --file --help -h --version -V --env-file' -- "$cur") ;;
    'keys from-pem') mapfile -t COMPREPLY < <(compgen -W '--kid --alg --out --help -h --version -V --env-file' -- "$cur") ;;
    'shadow') mapfile -t COMPREPLY < <(compgen -W 'report --help -h --version -V --env-file' -- "$cur") ;;
    'shadow report') mapfile -t COMPREPLY < <(compgen -W '--since --client --issuer --json --help -h --version -V --env-file' -- "$cur") ;;
    'trace') mapfile -t COMPREPLY < <(compgen -W '--issuer --since --from --json --help -h --version -V --env-file' -- "$cur") ;;
    'doctor') mapfile -t COMPREPLY < <(compgen -W '--rp --client --all --json --help -h --version -V --env-file' -- "$cur") ;;
    'map') mapfile -t COMPREPLY < <(compgen -W '--preset --topic --from --key --header --json --help -h --version -V --env-file' -- "$cur") ;;
    'schema') mapfile -t COMPREPLY < <(compgen -W 'session-terminated user-signed-out backchannel-logout-registered client-configured client-removed backchannel-logout-sent backchannel-logout-failed backchannel-logout-shadowed dead-letter --json --help -h --version -V --env-file' -- "$cur") ;;
    'env') mapfile -t COMPREPLY < <(compgen -W '--json --help -h --version -V --env-file' -- "$cur") ;;
    'completion') mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish --help -h --version -V --env-file' -- "$cur") ;;
  esac
}
complete -F _logout_relay logout-relay
