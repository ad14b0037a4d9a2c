"""What operators see and steer: services, hosts, pools, messages, quotas."""
