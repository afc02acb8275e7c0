//! The configuration file: assembles the settings that each module declares.
