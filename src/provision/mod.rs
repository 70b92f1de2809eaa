//! From tables to Azure Monitor resources: a pure plan, an idempotent apply, and `deployment.json` in between.

pub mod deployment;
