//! System calls, by seccomp (seccomp(2)): those that a gateway never makes fail, and a reader has few.

use std::env::consts::ARCH;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::{FULL, NONE};

/// What administers a machine, looks into other processes or reaches deep into the kernel.
const REFUSED: [c_long; 59] = [
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    libc::SYS_vmsplice,
    libc::SYS_memfd_secret,
    libc::SYS_quotactl_fd,
];

/// The same, where only x86-64 has it.
#[cfg(target_arch = "x86_64")]
const REFUSED_OF_ARCH: &[c_long] = &[libc::SYS_mknod, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OF_ARCH: &[c_long] = &[];

/// What a reader makes do with: its pipes, its memory, its one thread, and its end.
const KEPT: [c_long; 27] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
];

/// The bit by which processors of x86-64 know calls of x32, another way to each of them.
const X32: c_long = if cfg!(target_arch = "x86_64") { 0x4000_0000 } else { 0 };

/// Flags of clone(2) that make namespaces, in which a process is its own administrator.
const NAMESPACES: c_long = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as c_long;

/// Has what a gateway never needs fail.
pub(super) fn refuse() -> &'static str {
    enforced(&refuse_calls())
}

/// Has everything fail but what a reader needs.
pub(super) fn keep() -> &'static str {
    enforced(&keep_calls())
}

fn enforced(done: &Result<(), seccompiler::Error>) -> &'static str {
    if done.is_ok() { FULL } else { NONE }
}

fn refuse_calls() -> Result<(), seccompiler::Error> {
    // Its arguments are where no filter sees them; libraries that miss it take clone(2).
    let clone3 = [(libc::SYS_clone3, Vec::new()), (libc::SYS_clone3 | X32, Vec::new())];
    filter(&clone3, SeccompAction::Allow, failed(libc::ENOSYS))?;
    let refused = REFUSED.iter().chain(REFUSED_OF_ARCH);
    let refused = refused.flat_map(|call| [(*call, Vec::new()), (*call | X32, Vec::new())]);
    let clone = making_namespaces()?;
    let calls: Vec<_> = refused
        .chain([(libc::SYS_clone, clone.clone()), (libc::SYS_clone | X32, clone)])
        .collect();
    filter(&calls, SeccompAction::Allow, failed(libc::EPERM))
}

fn keep_calls() -> Result<(), seccompiler::Error> {
    // Its own limits and signals alone: the gateway has the same user.
    let own = [
        (libc::SYS_prlimit64, vec![first_is(0)?]),
        (libc::SYS_tgkill, vec![first_is(std::process::id())?]),
    ];
    let calls: Vec<_> = KEPT.iter().map(|call| (*call, Vec::new())).chain(own).collect();
    filter(&calls, failed(libc::EPERM), SeccompAction::Allow)
}

/// A call about this process.
fn first_is(process: u32) -> Result<SeccompRule, seccompiler::Error> {
    let is = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(process))?;
    Ok(SeccompRule::new(vec![is])?)
}

/// One rule a flag: each alone is refused.
fn making_namespaces() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let flags = (0..32).map(|bit| 1 << bit).filter(|flag| NAMESPACES & flag != 0);
    let rules = flags.map(|flag: c_long| {
        let flag = flag.unsigned_abs();
        let is_set = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
        SeccompRule::new(vec![is_set])
    });
    rules.collect::<Result<_, _>>().map_err(Into::into)
}

fn failed(errno: i32) -> SeccompAction {
    SeccompAction::Errno(errno.unsigned_abs())
}

fn filter(
    calls: &[(c_long, Vec<SeccompRule>)],
    otherwise: SeccompAction,
    these: SeccompAction,
) -> Result<(), seccompiler::Error> {
    let rules = calls.iter().cloned().collect();
    let filter = SeccompFilter::new(rules, otherwise, these, TargetArch::try_from(ARCH)?)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}
