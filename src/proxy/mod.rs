//! The reverse proxy: listen, check, identify, forward, inspect, answer.
