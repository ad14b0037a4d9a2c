"""Operations on the machines: hypervisors, services, aggregates and how they are used."""
