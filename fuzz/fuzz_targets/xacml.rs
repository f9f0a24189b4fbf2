#![cfg_attr(fuzzing, no_main)]

appdepot_fuzz::fuzz!(xacml);
