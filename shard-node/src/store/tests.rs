//! The store on a disk that loses what wasn't synced, and on one that damages what was.

mod check;
mod crash;
mod damage;
mod disk;
mod replay;
mod script;
mod ship;
mod space;
