-- Run once by the PostgreSQL image on an empty volume. POSTGRES_DB creates Rollcast's own database.
CREATE DATABASE prefect;
